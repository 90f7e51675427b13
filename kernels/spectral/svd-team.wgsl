// row-svd as in svd-serial.wgsl, SIZE invocations per matrix: they share the sums over a row and its rotation.
requires immediate_address_space;

struct Params { batch: u32, rows: u32, width: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> matrix: array<f32>;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> vectors: array<f32>;

const SIZE = 8u;
const MAX_SWEEPS = 20u;
const TOLERANCE = 1e-7;

var<workgroup> partial: array<vec3f, SIZE>;
var<workgroup> rotated: u32;

/** The sum over all invocations. */
fn total(own: vec3f, lane: u32) -> vec3f {
  partial[lane] = own;
  workgroupBarrier();
  var sum = vec3f(0.0);
  for (var i = 0u; i < SIZE; i++) { sum += partial[i]; }
  workgroupBarrier();
  return sum;
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let b = wid.y * count.x + wid.x;
  if (b >= params.batch) { return; }
  let rows = params.rows;
  let width = params.width;
  let base = b * rows * width;
  // An invocation touches the same elements of every row from here on: no barrier for `vectors`.
  for (var k = 0u; k < rows; k++) {
    for (var i = lane; i < width; i += SIZE) { vectors[base + k * width + i] = matrix[base + k * width + i]; }
  }
  for (var sweep = 0u; sweep < MAX_SWEEPS; sweep++) {
    var any = 0u;
    for (var p = 0u; p + 1u < rows; p++) {
      for (var q = p + 1u; q < rows; q++) {
        let x0 = base + p * width;
        let y0 = base + q * width;
        var own = vec3f(0.0);
        for (var i = lane; i < width; i += SIZE) {
          let x = vectors[x0 + i];
          let y = vectors[y0 + i];
          own += vec3f(x * x, y * y, x * y);
        }
        let sums = total(own, lane);
        if (abs(sums.z) > TOLERANCE * sqrt(sums.x) * sqrt(sums.y)) {
          any = 1u;
          let zeta = (sums.y - sums.x) / (2.0 * sums.z);
          let t = select(-1.0, 1.0, zeta >= 0.0) / (abs(zeta) + sqrt(1.0 + zeta * zeta));
          let c = 1.0 / sqrt(1.0 + t * t);
          let s = c * t;
          let tau = s / (1.0 + c);
          for (var i = lane; i < width; i += SIZE) {
            let x = vectors[x0 + i];
            let y = vectors[y0 + i];
            vectors[x0 + i] = x - s * (y + tau * x);
            vectors[y0 + i] = y + s * (x - tau * y);
          }
        }
      }
    }
    if (lane == 0u) { rotated = any; }
    if (workgroupUniformLoad(&rotated) == 0u) { break; }
  }
  for (var k = 0u; k < rows; k++) {
    var own = 0.0;
    for (var i = lane; i < width; i += SIZE) { own += vectors[base + k * width + i] * vectors[base + k * width + i]; }
    let norm = total(vec3f(own, 0.0, 0.0), lane).x;
    if (lane == 0u) { values[b * rows + k] = norm; }
    let scale = select(1.0 / sqrt(norm), 0.0, norm == 0.0);
    for (var i = lane; i < width; i += SIZE) { vectors[base + k * width + i] = scale * vectors[base + k * width + i]; }
  }
}
