// row-svd: the rows p of matrix[b] [rows, width], turned among each other until they are orthogonal (one-sided Jacobi,
// as in eigh-serial.wgsl): matrix[b] = Q diag(√values) vectors with orthonormal Q, which is not kept. So
// matrixᵀ matrix = Σ_k values[b, k] u_k u_kᵀ with u_k = vectors[b, k, :], which is 0 where the value is 0.
// Small values are accurate in their own digits, as they would not be from the Gram matrix. One invocation per matrix.
requires immediate_address_space;

struct Params { batch: u32, rows: u32, width: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> matrix: array<f32>;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> vectors: array<f32>;

const MAX_SWEEPS = 20u;
const TOLERANCE = 1e-7;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u) {
  let b = wid.y * count.x + wid.x;
  if (b >= params.batch) { return; }
  let rows = params.rows;
  let width = params.width;
  let base = b * rows * width;
  for (var i = 0u; i < rows * width; i++) { vectors[base + i] = matrix[base + i]; }
  for (var sweep = 0u; sweep < MAX_SWEEPS; sweep++) {
    var rotated = false;
    for (var p = 0u; p + 1u < rows; p++) {
      for (var q = p + 1u; q < rows; q++) {
        let x0 = base + p * width;
        let y0 = base + q * width;
        var pp = 0.0;
        var qq = 0.0;
        var pq = 0.0;
        for (var i = 0u; i < width; i++) {
          let x = vectors[x0 + i];
          let y = vectors[y0 + i];
          pp += x * x;
          qq += y * y;
          pq += x * y;
        }
        if (!(abs(pq) > TOLERANCE * sqrt(pp) * sqrt(qq))) { continue; }
        rotated = true;
        let zeta = (qq - pp) / (2.0 * pq);
        let t = select(-1.0, 1.0, zeta >= 0.0) / (abs(zeta) + sqrt(1.0 + zeta * zeta));
        let c = 1.0 / sqrt(1.0 + t * t);
        let s = c * t;
        let tau = s / (1.0 + c);
        for (var i = 0u; i < width; i++) {
          let x = vectors[x0 + i];
          let y = vectors[y0 + i];
          vectors[x0 + i] = x - s * (y + tau * x);
          vectors[y0 + i] = y + s * (x - tau * y);
        }
      }
    }
    if (!rotated) { break; }
  }
  for (var k = 0u; k < rows; k++) {
    var norm = 0.0;
    for (var i = 0u; i < width; i++) { norm += vectors[base + k * width + i] * vectors[base + k * width + i]; }
    values[b * rows + k] = norm;
    let scale = select(1.0 / sqrt(norm), 0.0, norm == 0.0);
    for (var i = 0u; i < width; i++) { vectors[base + k * width + i] = scale * vectors[base + k * width + i]; }
  }
}
