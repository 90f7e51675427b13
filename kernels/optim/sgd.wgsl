// SGD, one tensor: g' = gradient + decay · p;  b ← momentum · b + g';  p ← p − rate · b. b starts at 0.
// One invocation: one vec4.
requires immediate_address_space;

struct Params { size: u32, rate: f32, momentum: f32, decay: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> parameter: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> velocity: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * 4u >= params.size) { return; }
  let p = parameter[i];
  let b = params.momentum * velocity[i] + gradient[i] + params.decay * p;
  velocity[i] = b;
  parameter[i] = p - params.rate * b;
}
