// loewner: out[b, i, j] = f[λ_i, λ_j] · (inner[b, i, j] + inner[b, j, i]) / 2, the Daleckiĭ–Kreĭn gradient in the basis
// of the eigenvectors, f[·, ·] the divided difference. inner = Uᵀ G U; only its symmetric part matters. One element each.
requires immediate_address_space;
// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

struct Params { batch: u32, n: u32, floor: f32, ceiling: f32, walk: u32 }
var<immediate> params: Params;
// #include "spectral-function.wgsl"

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> inner: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

fn elements() -> u32 { return params.batch * params.n * params.n; }

fn element(index: u32) {
  let n = params.n;
  let j = index % n;
  let row = index / n; // b n + i
  let i = row % n;
  let b = row / n;
  let symmetric = 0.5 * (inner[index] + inner[(b * n + j) * n + i]);
  out[index] = dividedDifference(values[row], values[b * n + j]) * symmetric;
}

// #include "../common/elements.wgsl"
