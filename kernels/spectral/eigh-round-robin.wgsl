// eigh as in eigh-serial.wgsl (formula, layout, sources there): Cholesky in double-single, then one-sided Jacobi.
// One workgroup per matrix. Cholesky is right-looking: each step updates the whole trailing triangle at once. A sweep of
// Jacobi is a round-robin tournament: in each of its rounds all columns meet in disjoint pairs, one team of TEAM
// invocations a pair. Columns lie in workgroup memory where they fit (SHARED), else in `high`; their low parts, which
// only Cholesky needs, always in `low`.
requires immediate_address_space;
// #include "../common/value.wgsl"
// #include "../common/double-single.wgsl"

struct Params { batch: u32, n: u32, zero: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> matrix: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<u32>;
@group(0) @binding(2) var<storage, read_write> high: array<f32>;
@group(0) @binding(3) var<storage, read_write> low: array<f32>;
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> vectors: array<f32>;

const SIZE = 256u;
const CAPACITY = 64u; // n at most
const SHARED = true;
const TILE = 4608u; // CAPACITY · STRIDE when SHARED, else 1
const STRIDE = 72u; // floats between columns; a few past CAPACITY, so that teams meet different memory banks
const TEAM = 8u;
const MAX_SWEEPS = 20u;
const TOLERANCE = 1e-7; // cosine of the angle between columns
const SINGULAR = 1e-11;

var<workgroup> tile: array<f32, TILE>;
var<workgroup> partial: array<vec4f, SIZE>;
var<workgroup> inverse: array<f32, CAPACITY>;
var<workgroup> flag: u32;

var<private> base: u32; // of this matrix in high, low

fn entry(column: u32, row: u32) -> f32 {
  if (SHARED) { return tile[column * STRIDE + row]; }
  return high[base + column * STRIDE + row];
}

fn setEntry(column: u32, row: u32, value: f32) {
  if (SHARED) { tile[column * STRIDE + row] = value; } else { high[base + column * STRIDE + row] = value; }
}

fn entryDouble(column: u32, row: u32) -> Double { return Double(entry(column, row), low[base + column * STRIDE + row]); }

fn setDouble(column: u32, row: u32, value: Double) {
  setEntry(column, row, value.hi);
  low[base + column * STRIDE + row] = value.lo;
}

fn symmetric(source: u32, i: u32, j: u32) -> f32 {
  return 0.5 * matrix[source + i * params.n + j] + 0.5 * matrix[source + j * params.n + i];
}

/** For a matrix with NaN or infinity in it, which no shift makes positive definite. */
fn notANumber() -> f32 {
  var bits = 0x7fc00000u;
  return bitcast<f32>(bits);
}

fn synchronise() {
  storageBarrier();
  workgroupBarrier();
}

/** L over the lower triangle, zeros above; sets `flag` where a pivot is not positive. */
fn cholesky(source: u32, shift: f32, lane: u32) {
  if (lane == 0u) { flag = 0u; }
  for (var e = lane; e < params.n * params.n; e += SIZE) {
    let column = e / params.n;
    let row = e % params.n;
    var start = Double(0.0, 0.0);
    if (row == column) { start = twoSum(symmetric(source, row, row), shift); }
    if (row > column) { start.hi = symmetric(source, row, column); }
    setDouble(column, row, start);
  }
  synchronise();
  for (var j = 0u; j < params.n; j++) {
    let square = entryDouble(j, j);
    let good = square.hi > SINGULAR * (matrix[source + j * params.n + j] + shift) && square.hi > 1e-36;
    if (!good && lane == 0u) { flag = 1u; }
    let pivot = doubleSqrt(Double(select(1.0, square.hi, good), select(0.0, square.lo, good)));
    synchronise();
    for (var row = j + lane; row < params.n; row += SIZE) {
      if (row == j) { setDouble(j, j, pivot); } else { setDouble(j, row, doubleQuotient(entryDouble(j, row), pivot)); }
    }
    synchronise();
    let rest = params.n - 1u - j;
    for (var e = lane; e < rest * rest; e += SIZE) {
      let column = j + 1u + e / rest;
      let row = j + 1u + e % rest;
      if (row >= column) {
        setDouble(column, row, subtractProduct(entryDouble(column, row), entryDouble(j, row), entryDouble(j, column)));
      }
    }
    synchronise();
  }
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let b = wid.y * count.x + wid.x;
  let even = (params.n + 1u) / 2u * 2u;
  if (b >= params.batch) { return; }
  let source = b * params.n * params.n;
  base = b * params.n * STRIDE;
  if (skip[b] != 0u) {
    for (var e = lane; e < params.n * params.n; e += SIZE) { vectors[source + e] = 0.0; }
    for (var k = lane; k < params.n; k += SIZE) { values[b * params.n + k] = 0.0; }
    return;
  }

  var diagonal = 0.0;
  var bound = 0.0;
  for (var i = lane; i < params.n; i += SIZE) {
    diagonal = max(diagonal, abs(matrix[source + i * params.n + i]));
    var row = 0.0;
    for (var j = 0u; j < params.n; j++) { row += abs(symmetric(source, i, j)); }
    bound = max(bound, row);
  }
  partial[lane] = vec4f(diagonal, bound, 0.0, 0.0);
  workgroupBarrier();
  for (var i = 0u; i < SIZE; i++) {
    diagonal = max(diagonal, partial[i].x);
    bound = max(bound, partial[i].y);
  }
  var shift = 0.0;
  var factored = false;
  for (var attempt = 0u; attempt < 3u; attempt++) {
    if (attempt == 1u) { shift = max(diagonal * 9.5367432e-7, 1e-30); }
    if (attempt == 2u) { shift = max(1.125 * bound, 1e-30); }
    cholesky(source, shift, lane);
    factored = workgroupUniformLoad(&flag) == 0u;
    if (factored) { break; }
  }

  let member = lane % TEAM;
  for (var sweep = 0u; sweep < MAX_SWEEPS; sweep++) {
    var worst = 0.0;
    var widest = 0.0; // the largest turn, as a fraction of the shorter column
    for (var round = 0u; round + 1u < even; round++) {
      for (var first = 0u; first < even / 2u; first += SIZE / TEAM) {
        // Column even − 1 stays, the others go round: pairs (round + i, round − i) modulo even − 1.
        let i = first + lane / TEAM;
        var p = (round + i) % (even - 1u);
        let q = (round + even - 1u - i % (even - 1u)) % (even - 1u);
        if (i == 0u) { p = even - 1u; }
        let plays = i < even / 2u && p < params.n && q < params.n;
        var sums = vec4f(0.0);
        if (plays) {
          for (var row = member; row < params.n; row += TEAM) {
            let x = entry(p, row);
            let y = entry(q, row);
            sums += vec4f(x * x, y * y, x * y, 0.0);
          }
        }
        partial[lane] = sums;
        workgroupBarrier();
        if (plays) {
          sums = vec4f(0.0);
          for (var m = 0u; m < TEAM; m++) { sums += partial[lane - member + m]; }
          let scale = max(sqrt(sums.x) * sqrt(sums.y), 1e-30);
          let cosine = abs(sums.z) / scale;
          worst = max(worst, cosine);
          if (cosine > TOLERANCE) {
            let zeta = (sums.y - sums.x) / (2.0 * sums.z);
            let t = select(-1.0, 1.0, zeta >= 0.0) / (abs(zeta) + sqrt(1.0 + zeta * zeta));
            let c = 1.0 / sqrt(1.0 + t * t);
            let s = c * t;
            let tau = s / (1.0 + c);
            widest = max(widest, abs(t) * max(sums.x, sums.y) / scale);
            for (var row = member; row < params.n; row += TEAM) {
              let x = entry(p, row);
              let y = entry(q, row);
              setEntry(p, row, x - s * (y + tau * x));
              setEntry(q, row, y + s * (x - tau * y));
            }
          }
        }
        synchronise();
      }
    }
    partial[lane] = vec4f(worst, widest, 0.0, 0.0);
    workgroupBarrier();
    if (lane == 0u) {
      for (var i = 0u; i < SIZE; i++) {
        worst = max(worst, partial[i].x);
        widest = max(widest, partial[i].y);
      }
      // What later turns of a sweep spoil of the earlier ones is a product of two small numbers: no need to look again.
      flag = select(0u, 1u, worst <= TOLERANCE || 12.0 * worst * widest <= TOLERANCE);
    }
    if (workgroupUniformLoad(&flag) == 1u) { break; }
  }

  for (var k = lane; k < params.n; k += SIZE) {
    var norm = 0.0;
    for (var row = 0u; row < params.n; row++) { norm += entry(k, row) * entry(k, row); }
    values[b * params.n + k] = select(notANumber(), norm - shift, factored);
    inverse[k] = 1.0 / sqrt(norm);
  }
  workgroupBarrier();
  for (var e = lane; e < params.n * params.n; e += SIZE) { vectors[source + e] = entry(e / params.n, e % params.n) * inverse[e / params.n]; }
}
