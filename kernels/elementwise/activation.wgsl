// activation: out[i] = f(out[i]) in place, the epilogue of products whose kernel leaves tanh, sigmoid and relu6 to a second
// pass. One invocation: one vec4.
requires immediate_address_space;

// #include "../common/activation.wgsl"

struct Params { size: u32, slope: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * 4u >= params.size) { return; }
  let x = out[i];
  let s = params.slope;
  out[i] = vec4f(activate(x.x, s), activate(x.y, s), activate(x.z, s), activate(x.w, s));
}
