// spectral-scale: out[b, k, i] = f(values[b, k]) · vectors[b, k, i]: then f(A) = vectorsᵀ · out. One Value (an
// element or a vec4) each. Samples to skip are left as they are.
requires immediate_address_space;
// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

struct Params { batch: u32, n: u32, floor: f32, ceiling: f32 }
var<immediate> params: Params;
// #include "spectral-function.wgsl"

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> vectors: array<Value>;
@group(0) @binding(2) var<storage, read> skip: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  let width = params.n / WIDTH;
  if (i >= params.batch * params.n * width) { return; }
  let row = i / width;
  if (skip[row / params.n] != 0u) { return; }
  out[i] = spectralValue(Value(values[row])) * vectors[i];
}
