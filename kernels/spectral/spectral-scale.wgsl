// spectral-scale: out[b, k, i] = f(values[b, k]) · vectors[b, k, i]: then f(A) = vectorsᵀ · out. One Value (an
// element or a vec4) each. Samples to skip are left as they are.
requires immediate_address_space;
// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

struct Params { batch: u32, n: u32, floor: f32, ceiling: f32, walk: u32 }
var<immediate> params: Params;
// #include "spectral-function.wgsl"

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> vectors: array<Value>;
@group(0) @binding(2) var<storage, read> skip: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return params.batch * params.n * (params.n / WIDTH); }

fn element(i: u32) {
  let width = params.n / WIDTH;
  let row = i / width;
  if (skip[row / params.n] != 0u) { return; }
  out[i] = spectralValue(Value(values[row])) * vectors[i];
}

// #include "../common/elements.wgsl"
