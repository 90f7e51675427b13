// loewner: out[b, i, j] = f[λ_i, λ_j] · (inner[b, i, j] + inner[b, j, i]) / 2, the Daleckiĭ–Kreĭn gradient in the basis
// of the eigenvectors, f[·, ·] the divided difference. inner = Uᵀ G U; only its symmetric part matters. One element each.
requires immediate_address_space;
// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

struct Params { batch: u32, n: u32, floor: f32, ceiling: f32 }
var<immediate> params: Params;
// #include "spectral-function.wgsl"

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> inner: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = params.n;
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.batch * n * n) { return; }
  let j = index % n;
  let row = index / n; // b n + i
  let i = row % n;
  let b = row / n;
  let symmetric = 0.5 * (inner[index] + inner[(b * n + j) * n + i]);
  out[index] = dividedDifference(values[row], values[b * n + j]) * symmetric;
}
