// eigh: matrix[b] = Σ_k values[b, k] u_k u_kᵀ with u_k = vectors[b, k, :]: the eigenvectors are the ROWS of `vectors`,
// in no order and with either sign. One invocation per matrix. A matrix whose skip is not 0 gets zeros.
//
// 1. A + σI = L Lᵀ by Cholesky in double-single arithmetic. σ = 0 when A is positive definite; else, at the second
//    attempt, 2⁻²⁰ of the largest diagonal entry (A is singular); else a bound of |A| (A is indefinite).
// 2. One-sided Jacobi (Hestenes 1958) turns the columns g of L until they are orthogonal: g_p · g_q = 0 for all pairs.
// 3. Then L = U Σ Wᵀ, g_k = σ_k u_k: values = |g_k|² − σ, vectors = g_k / |g_k|. No V is accumulated.
// Rotations of columns keep small relative errors of small columns (Demmel & Veselić 1992, "Jacobi's method is more
// accurate than QR"), and L carries all digits of A: small eigenvalues are as accurate as large ones, as their logarithm needs.
requires immediate_address_space;
// #include "../common/value.wgsl"
// #include "../common/double-single.wgsl"

struct Params { batch: u32, n: u32, zero: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> matrix: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<u32>;
@group(0) @binding(2) var<storage, read_write> low: array<f32>; // low parts of L
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> vectors: array<f32>; // high parts of L, column by column; then U

const MAX_SWEEPS = 20u;
const TOLERANCE = 1e-7; // cosine of the angle between columns
const SINGULAR = 1e-11; // a pivot this small against its diagonal entry has no digits left

fn symmetric(base: u32, n: u32, i: u32, j: u32) -> f32 {
  return 0.5 * matrix[base + i * n + j] + 0.5 * matrix[base + j * n + i];
}

fn at(index: u32) -> Double { return Double(vectors[index], low[index]); }

/** For a matrix with NaN or infinity in it, which no shift makes positive definite. */
fn notANumber() -> f32 {
  var bits = 0x7fc00000u;
  return bitcast<f32>(bits);
}

/** Column j of L in vectors[base + j n ..]; false where a pivot is not positive. */
fn cholesky(base: u32, n: u32, shift: f32) -> bool {
  for (var j = 0u; j < n; j++) {
    var pivot = Double(1.0, 0.0);
    for (var i = j; i < n; i++) {
      var sum = Double(symmetric(base, n, i, j), 0.0);
      let scale = sum.hi + shift;
      if (i == j) { sum = twoSum(sum.hi, shift); }
      for (var k = 0u; k < j; k++) { sum = subtractProduct(sum, at(base + k * n + i), at(base + k * n + j)); }
      if (i == j) {
        if (!(sum.hi > SINGULAR * scale && sum.hi > 1e-36)) { return false; }
        pivot = doubleSqrt(sum);
        sum = pivot;
      } else {
        sum = doubleQuotient(sum, pivot);
      }
      vectors[base + j * n + i] = sum.hi;
      low[base + j * n + i] = sum.lo;
    }
    for (var i = 0u; i < j; i++) { vectors[base + j * n + i] = 0.0; }
  }
  return true;
}

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u) {
  let b = wid.y * count.x + wid.x;
  if (b >= params.batch) { return; }
  let n = params.n;
  let base = b * n * n;
  if (skip[b] != 0u) {
    for (var i = 0u; i < n * n; i++) { vectors[base + i] = 0.0; }
    for (var i = 0u; i < n; i++) { values[b * n + i] = 0.0; }
    return;
  }
  var diagonal = 0.0;
  var bound = 0.0;
  for (var i = 0u; i < n; i++) {
    diagonal = max(diagonal, abs(matrix[base + i * n + i]));
    var row = 0.0;
    for (var j = 0u; j < n; j++) { row += abs(symmetric(base, n, i, j)); }
    bound = max(bound, row);
  }
  var shift = 0.0;
  var factored = false;
  for (var attempt = 0u; attempt < 3u && !factored; attempt++) {
    if (attempt == 1u) { shift = max(diagonal * 9.5367432e-7, 1e-30); }
    if (attempt == 2u) { shift = max(1.125 * bound, 1e-30); }
    factored = cholesky(base, n, shift);
  }
  for (var sweep = 0u; sweep < MAX_SWEEPS; sweep++) {
    var worst = 0.0;
    for (var p = 0u; p + 1u < n; p++) {
      for (var q = p + 1u; q < n; q++) {
        var pp = 0.0;
        var qq = 0.0;
        var pq = 0.0;
        for (var i = 0u; i < n; i++) {
          let x = vectors[base + p * n + i];
          let y = vectors[base + q * n + i];
          pp += x * x;
          qq += y * y;
          pq += x * y;
        }
        let cosine = abs(pq) / (sqrt(pp) * sqrt(qq));
        if (!(cosine > TOLERANCE)) { continue; }
        worst = max(worst, cosine);
        let zeta = (qq - pp) / (2.0 * pq);
        let t = select(-1.0, 1.0, zeta >= 0.0) / (abs(zeta) + sqrt(1.0 + zeta * zeta));
        let c = 1.0 / sqrt(1.0 + t * t);
        let s = c * t;
        let tau = s / (1.0 + c); // Rutishauser's form: c x − s y = x − s (y + τ x), so that lengths do not drift
        for (var i = 0u; i < n; i++) {
          let x = vectors[base + p * n + i];
          let y = vectors[base + q * n + i];
          vectors[base + p * n + i] = x - s * (y + tau * x);
          vectors[base + q * n + i] = y + s * (x - tau * y);
        }
      }
    }
    if (worst == 0.0) { break; }
  }
  for (var k = 0u; k < n; k++) {
    var norm = 0.0;
    for (var i = 0u; i < n; i++) { norm += vectors[base + k * n + i] * vectors[base + k * n + i]; }
    values[b * n + k] = select(notANumber(), norm - shift, factored);
    for (var i = 0u; i < n; i++) { vectors[base + k * n + i] = vectors[base + k * n + i] / sqrt(norm); }
  }
}
