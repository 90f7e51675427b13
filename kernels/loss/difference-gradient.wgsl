// Gradient of Σ |x − y| or Σ (x − y)² for the first operand, times gradient[0] and factor:
// sign(x − y) or 2 (x − y). One invocation computes one Value.
requires immediate_address_space;

// #include "../common/value.wgsl"

const SQUARED = false;

struct Params { size: u32, factor: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read> y: array<Value>;
@group(0) @binding(3) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * WIDTH >= params.size) { return; }
  let scale = gradient[0] * params.factor;
  let d = x[i] - y[i];
  if (SQUARED) { out[i] = (2.0 * scale) * d; }
  else { out[i] = scale * sign(d); }
}
