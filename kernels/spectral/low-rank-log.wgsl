// The elementwise parts of log(PᵀP + eI) = log(e) I + Σ_k log((θ_k + e) / e) u_k u_kᵀ, e = max(ε trace, 1e-30), STEP by
// STEP, one element each:
//   0 scale:     out[b, k, i] = log1p(θ_k / e) · vectors[b, k, i]
//   1 diagonal:  out[b, i, i] += log(e), in place
//   2 loewner:   out[b, j, k] = (log[s_j, s_k] − D_j) · inner[b, j, k], s = θ + e, D_j = log[s_j, e], H = inner
//   3 add:       out[b, k, i] += D_k · vectors[b, k, i], in place
//   4 floor:     out[b] = (tr(G) − Σ_k H_kk θ_k / s_k) / e, the gradient by e
// log[·, ·] is the divided difference of the logarithm (spectral-function.wgsl).
requires immediate_address_space;
// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

struct Params { batch: u32, rows: u32, width: u32, eps: f32, floor: f32, ceiling: f32 }
var<immediate> params: Params;
// #include "spectral-function.wgsl"

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> trace: array<f32>;
@group(0) @binding(2) var<storage, read> vectors: array<f32>;
@group(0) @binding(3) var<storage, read> inner: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

const STEP = 0u;

fn floorOf(b: u32) -> f32 {
  let e = params.eps * trace[b];
  return select(max(e, 1e-30), e, magnitudeBits(e) > 0x7f800000u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let rows = params.rows;
  if (STEP == 0u || STEP == 3u) {
    if (index >= params.batch * rows * params.width) { return; }
    let k = index / params.width;
    let e = floorOf(k / rows);
    if (STEP == 0u) { out[index] = accurateLog1p(values[k] / e) * vectors[index]; }
    else { out[index] = out[index] + dividedDifference(values[k] + e, e) * vectors[index]; }
  }
  if (STEP == 1u) {
    if (index >= params.batch * params.width) { return; }
    let at = index * params.width + index % params.width;
    out[at] = out[at] + accurateLog(floorOf(index / params.width));
  }
  if (STEP == 2u) {
    if (index >= params.batch * rows * rows) { return; }
    let j = index / rows;
    let b = j / rows;
    let e = floorOf(b);
    let sj = values[j] + e;
    let sk = values[b * rows + index % rows] + e;
    out[index] = (dividedDifference(sj, sk) - dividedDifference(sj, e)) * inner[index];
  }
  if (STEP == 4u) {
    if (index >= params.batch) { return; }
    let e = floorOf(index);
    var traceOfG = 0.0;
    for (var i = 0u; i < params.width; i++) { traceOfG += vectors[(index * params.width + i) * params.width + i]; }
    // Divided by e once, at the end: a GPU's compiler makes x / s / e the product of two reciprocals, which overflows.
    var sum = traceOfG;
    for (var k = 0u; k < rows; k++) {
      let theta = values[index * rows + k];
      sum -= inner[(index * rows + k) * rows + k] * (theta / (theta + e));
    }
    out[index] = sum / e;
  }
}
