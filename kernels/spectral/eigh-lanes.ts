import { VEC4 } from '../common/value.ts';
import type { DeviceTraits, Pass, Variant } from '../kernel.ts';
import { foldWorkgroups, generated } from '../kernel.ts';

/** Rows that eight lanes of one vec4 hold. */
const GROUP = 32;

/** Groups of 32 rows that a column of n takes. */
const groupsOf = (n: number): number => Math.ceil(n / GROUP);

const each = (count: number, line: (i: number) => string, separator = ' '): string =>
  Array.from({ length: count }, (_, i) => line(i)).join(separator);

/** Turns the columns named p and q (norms np, nq) orthogonal to each other; both in registers. */
const rotate = (groups: number, p: string, q: string, np: string, nq: string): string => `{
    let products = ${each(groups, (g) => `${p}${g} * ${q}${g}`, ' + ')};
    let overlap = laneSum(products.x + products.y + products.z + products.w);
    let scale = sqrt(${np}) * sqrt(${nq});
    let cosine = abs(overlap) / max(scale, 1e-30);
    let turn = cosine > TOLERANCE;
    let zeta = (${nq} - ${np}) / (2.0 * select(1.0, overlap, turn));
    let t = select(0.0, select(-1.0, 1.0, zeta >= 0.0) / (abs(zeta) + sqrt(1.0 + zeta * zeta)), turn);
    let c = 1.0 / sqrt(1.0 + t * t);
    let s = c * t;
    let tau = s / (1.0 + c);
    worst = max(worst, cosine);
    widest = max(widest, abs(t) * max(${np}, ${nq}) / max(scale, 1e-30));
    ${each(groups, (g) => `let x${g} = ${p}${g}; ${p}${g} = x${g} - s * (${q}${g} + tau * x${g}); ${q}${g} = ${q}${g} + s * (x${g} - tau * ${q}${g});`, '\n    ')}
    ${np} = ${np} - t * overlap;
    ${nq} = ${nq} + t * overlap;
  }`;

const load = (groups: number, name: string, column: string): string =>
  each(groups, (g) => `${name}${g} = high[base + (${column}) * STRIDE + ${8 * g}u + lane];`);
const store = (groups: number, name: string, column: string): string =>
  each(groups, (g) => `high[base + (${column}) * STRIDE + ${8 * g}u + lane] = ${name}${g};`);
const norm = (groups: number, name: string, into: string): string =>
  `{ let squares = ${each(groups, (g) => `${name}${g} * ${name}${g}`, ' + ')}; ${into} = laneSum(squares.x + squares.y + squares.z + squares.w); }`;
const declare = (groups: number, name: string): string => each(groups, (g) => `var ${name}${g}: vec4f;`);

const text = (groups: number): string => `
// eigh as in eigh-serial.wgsl: Cholesky in double-single, then one-sided Jacobi on the columns of the factor. One subgroup of
// eight lanes per matrix, no barriers. Columns are padded to ${groups} × 32 rows; lane l holds rows 4 l … 4 l + 3 of each 32.
// Two columns stay in registers while the others stream past.
diagnostic(off, subgroup_uniformity);
enable subgroups;
requires immediate_address_space;
// #include "../common/value.wgsl"
// #include "../common/double-single.wgsl"

struct Params { batch: u32, n: u32, zero: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> matrix: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<u32>;
@group(0) @binding(2) var<storage, read_write> high: array<vec4f>; // columns of L, then of U Σ
@group(0) @binding(3) var<storage, read_write> low: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> across: array<vec2f>; // L by rows, (high, low)
@group(0) @binding(5) var<storage, read_write> values: array<f32>;
@group(0) @binding(6) var<storage, read_write> vectors: array<f32>;

const MAX_SWEEPS = 20u;
const TOLERANCE = 1e-7; // cosine of the angle between columns
const SINGULAR = 1e-11;
const STRIDE = ${8 * groups}u; // vec4 of a column

fn laneSum(x: f32) -> f32 {
  var sum = x;
  sum += subgroupShuffleXor(sum, 1u);
  sum += subgroupShuffleXor(sum, 2u);
  sum += subgroupShuffleXor(sum, 4u);
  return sum;
}

fn laneMax(x: f32) -> f32 {
  var m = x;
  m = max(m, subgroupShuffleXor(m, 1u));
  m = max(m, subgroupShuffleXor(m, 2u));
  m = max(m, subgroupShuffleXor(m, 4u));
  return m;
}

/** For a matrix with NaN or infinity in it, which no shift makes positive definite. */
fn notANumber() -> f32 {
  var bits = 0x7fc00000u;
  return bitcast<f32>(bits);
}

/** Half the sum of A_ij and A_ji for four rows i of column j; 0 past the matrix. */
fn column(base: u32, n: u32, i: u32, j: u32) -> vec4f {
  var out = vec4f(0.0);
  for (var e = 0u; e < 4u; e++) {
    let row = min(i + e, n - 1u);
    let entry = 0.5 * matrix[base + row * n + j] + 0.5 * matrix[base + j * n + row];
    out[e] = select(0.0, entry, i + e < n);
  }
  return out;
}

fn cholesky(source: u32, base: u32, n: u32, shift: f32, lane: u32) -> bool {
  for (var j = 0u; j < n; j++) {
    var pivot = Double(vec4f(1.0), vec4f(0.0));
    for (var g = 0u; g < ${groups}u; g++) {
      let at = base + j * STRIDE + g * 8u + lane;
      if (g < j / ${GROUP}u) { high[at] = vec4f(0.0); continue; }
      let row = g * ${GROUP}u + lane * 4u;
      let rows = vec4u(row, row + 1u, row + 2u, row + 3u);
      let start = column(source, n, row, j);
      var sum = twoSum(start, select(vec4f(0.0), vec4f(shift), rows == vec4u(j)));
      for (var k = 0u; k < j; k++) {
        let above = base + k * STRIDE + g * 8u + lane;
        let other = across[source + j * n + k];
        sum = subtractProduct(sum, Double(high[above], low[above]), Double(vec4f(other.x), vec4f(other.y)));
      }
      if (g == j / ${GROUP}u) {
        let owner = (j % ${GROUP}u) / 4u;
        let hi = subgroupShuffle(sum.hi[j % 4u], owner);
        let lo = subgroupShuffle(sum.lo[j % 4u], owner);
        let diagonal = subgroupShuffle(start[j % 4u], owner) + shift;
        if (!(hi > SINGULAR * diagonal && hi > 1e-36)) { return false; }
        pivot = doubleSqrt(Double(vec4f(hi), vec4f(lo)));
      }
      let quotient = doubleQuotient(sum, pivot);
      let on = rows == vec4u(j);
      let below = (rows > vec4u(j)) & (rows < vec4u(n));
      let columnHigh = select(select(vec4f(0.0), quotient.hi, below), pivot.hi, on);
      let columnLow = select(select(vec4f(0.0), quotient.lo, below), pivot.lo, on);
      high[at] = columnHigh;
      low[at] = columnLow;
      for (var e = 0u; e < 4u; e++) {
        if (row + e >= j && row + e < n) { across[source + (row + e) * n + j] = vec2f(columnHigh[e], columnLow[e]); }
      }
    }
  }
  return true;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let b = wid.y * count.x + wid.x;
  if (b >= params.batch) { return; }
  let n = params.n;
  let source = b * n * n;
  if (skip[b] != 0u) {
    for (var i = lane; i < n * n; i += 8u) { vectors[source + i] = 0.0; }
    for (var i = lane; i < n; i += 8u) { values[b * n + i] = 0.0; }
    return;
  }
  let columns = (n + 1u) / 2u * 2u;
  let base = b * columns * STRIDE;
  if (columns > n) { ${each(groups, (g) => `high[base + n * STRIDE + ${8 * g}u + lane] = vec4f(0.0);`)} }
  var diagonal = 0.0;
  var bound = 0.0;
  for (var i = lane; i < n; i += 8u) {
    diagonal = max(diagonal, abs(matrix[source + i * n + i]));
    var row = 0.0;
    for (var j = 0u; j < n; j++) { row += 0.5 * abs(matrix[source + i * n + j] + matrix[source + j * n + i]); }
    bound = max(bound, row);
  }
  diagonal = laneMax(diagonal);
  bound = laneMax(bound);
  var shift = 0.0;
  var factored = false;
  for (var attempt = 0u; attempt < 3u && !factored; attempt++) {
    if (attempt == 1u) { shift = max(diagonal * 9.5367432e-7, 1e-30); }
    if (attempt == 2u) { shift = max(1.125 * bound, 1e-30); }
    factored = cholesky(source, base, n, shift, lane);
  }
  ${declare(groups, 'p')} ${declare(groups, 'r')} ${declare(groups, 'q')}
  var np = 0.0;
  var nr = 0.0;
  var nq = 0.0;
  for (var sweep = 0u; sweep < MAX_SWEEPS; sweep++) {
    var worst = 0.0;
    var widest = 0.0; // the largest turn, as a fraction of the shorter column
    for (var first = 0u; first < columns; first += 2u) {
      ${load(groups, 'p', 'first')} ${norm(groups, 'p', 'np')}
      ${load(groups, 'r', 'first + 1u')} ${norm(groups, 'r', 'nr')}
      ${rotate(groups, 'p', 'r', 'np', 'nr')}
      for (var other = first + 2u; other < columns; other++) {
        ${load(groups, 'q', 'other')} ${norm(groups, 'q', 'nq')}
        ${rotate(groups, 'p', 'q', 'np', 'nq')}
        ${rotate(groups, 'r', 'q', 'nr', 'nq')}
        ${store(groups, 'q', 'other')}
      }
      ${store(groups, 'p', 'first')}
      ${store(groups, 'r', 'first + 1u')}
    }
    // What later turns of a sweep spoil of the earlier ones is a product of two small numbers: no need to look again.
    if (worst <= TOLERANCE || 12.0 * worst * widest <= TOLERANCE) { break; }
  }
  for (var k = 0u; k < n; k++) {
    ${load(groups, 'q', 'k')} ${norm(groups, 'q', 'nq')}
    if (lane == 0u) { values[b * n + k] = select(notANumber(), nq - shift, factored); }
    let length = 1.0 / sqrt(nq);
    ${each(
      groups,
      (g) => `for (var e = 0u; e < 4u; e++) {
      let row = ${GROUP * g}u + lane * 4u + e;
      if (row < n) { vectors[source + k * n + row] = q${g}[e] * length; }
    }`,
      '\n    ',
    )}
  }
}
`;

const passes = ({ batch, n }: { readonly batch: number; readonly n: number }): Pass[] => {
  const groups = groupsOf(n);
  return [
    {
      source: generated(import.meta.url, `spectral/eigh-lanes-${groups}`, () => text(groups)),
      constants: VEC4,
      params: { zero: 0 },
      workgroups: foldWorkgroups(batch),
    },
  ];
};

export const lanesVariant: Variant<'batch' | 'n'> = {
  name: 'lanes',
  adds: 'eight lanes share a column, two columns stay in registers (lavapipe, 32 of 64 × 64)',
  supports: ({ n }, traits: DeviceTraits) => traits.family === 'lanes' && n <= 256,
  scratch: ({ batch, n }) => {
    const columns = Math.ceil(n / 2) * 2 * groupsOf(n) * GROUP;
    return { high: 4 * batch * columns, low: 4 * batch * columns, across: 8 * batch * n * n };
  },
  passes,
};
