// spectral-scale: out[b, k, i] = f(values[b, k]) · vectors[b, k, i]: then f(A) = vectorsᵀ · out. One element each.
requires immediate_address_space;
// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

struct Params { batch: u32, n: u32, floor: f32, ceiling: f32 }
var<immediate> params: Params;
// #include "spectral-function.wgsl"

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> vectors: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.batch * params.n * params.n) { return; }
  out[i] = spectralValue(values[i / params.n]) * vectors[i];
}
