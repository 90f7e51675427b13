import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { generated, type Pass, type Variant } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByDepth,
  laneStepByRow,
  laneStore,
  lines,
} from './lane-tile.ts';
import { type Form, formOf, padded, paddingScratch } from './padding.ts';

/** Text of the kernel; sizes come as parameters, so one pipeline serves every shape. */
function laneMatmulText(form: Form, rows: number): string {
  const groups = rows / 8;
  const byDepth = form === 'tn';
  const leftBase = byDepth
    ? `  leftAt += min(row / 4u + lane, leftPitch - 1u);`
    : lines(groups, '  ', (g) => `let left${g} = leftAt + min(row + ${8 * g}u + lane, params.m - 1u) * leftPitch;`);
  const leftLoad = byDepth
    ? lines(4, '    ', (k) => `let a${k} = left[leftAt + (4u * k + ${k}u) * leftPitch];`)
    : lines(groups, '    ', (g) => `let a${g} = left[left${g} + k];`);
  // Transposed, lane l loads the four rows of `right` that are its columns, and turns the 4 × 4 block in registers.
  const rightBase =
    form === 'nt'
      ? lines(4, '  ', (j) => `let right${j} = rightAt + min(4u * column + ${j}u, params.n - 1u) * rightPitch;`)
      : `  rightAt += min(column, rightPitch - 1u);`;
  const rightLoad =
    form === 'nt'
      ? `${lines(4, '    ', (j) => `let q${j} = right[right${j} + k];`)}
${lines(4, '    ', (k) => `let b${k} = vec4f(q0[${k}], q1[${k}], q2[${k}], q3[${k}]);`)}`
      : lines(4, '    ', (k) => `let b${k} = right[rightAt + (4u * k + ${k}u) * rightPitch];`);
  return `// matmul, ${form}: out[b] = f(left[b] · right[b] + bias), one subgroup of 8 lanes per tile of ${rows} × ${LANE_COLUMNS}.
// Pitches and strides are in vec4; k and the pitches are multiples of 4 numbers, padded with zeros where need be.
requires immediate_address_space;
enable subgroups;

struct Params {
  m: u32, n: u32, k: u32,
  leftPitch: u32, rightPitch: u32, outPitch: u32,
  inner: u32, leftOuter: u32, leftInner: u32, rightOuter: u32, rightInner: u32,
  slope: f32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> left: array<vec4f>;
@group(0) @binding(1) var<storage, read> right: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;

var<private> firstRow: u32;
var<private> outAt: u32;
var<private> inside: bool;

fn store(i: u32, value: vec4f) {
  if (inside && firstRow + i < params.m) {
    out[outAt + i * params.outPitch] = select(params.slope * value, value, value > vec4f(0.0));
  }
}
${laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x * ${rows}u;
  let column = wid.y * ${LANE_COLUMNS / 4}u + lane;
  let outer = wid.z / params.inner;
  let inner = wid.z % params.inner;
  let leftPitch = params.leftPitch;
  let rightPitch = params.rightPitch;
  var leftAt = outer * params.leftOuter + inner * params.leftInner;
  var rightAt = outer * params.rightOuter + inner * params.rightInner;
${leftBase}
${rightBase}
${laneAccumulators(rows)}
  let steps = params.k / 4u;
  for (var k = 0u; k < steps; k++) {
${leftLoad}
${rightLoad}
    ${byDepth ? laneStepByDepth(rows) : laneStepByRow(rows)}
  }
  firstRow = row;
  outAt = (wid.z * params.m + row) * params.outPitch + column;
  inside = column < params.outPitch;
  let start = bias[column];
${laneStore(rows, ' + start')}
}
`;
}

export const laneMatmul: Variant = {
  name: 'lanes',
  adds: 'operands in the 8 lanes of a CPU subgroup, factors by broadcast, up to 32 × 32 in registers; odd sizes padded first',
  supports: (p, traits) =>
    traits.subgroupMinSize === 8 &&
    traits.subgroupMaxSize === 8 &&
    p.batch <= 65_535 &&
    !(p.transposeLeft && p.transposeRight) &&
    Math.ceil(p.m / 8) <= 65_535,
  suits: (p) => p.batch * p.m * p.n * p.k >= 4096,
  tiles: ({ m }) => {
    const best = m <= 8 ? 8 : m <= 16 ? 16 : 32;
    return [{ rows: best }, ...[8, 16, 32].filter((rows) => rows !== best).map((rows) => ({ rows }))];
  },
  scratch: paddingScratch,
  passes: (p, tile) => {
    const rows = Number(tile.rows);
    const form = formOf(p);
    const { before, after, bind, params } = padded(p);
    const slopeOnly = isSlopeOnly(p.activation);
    const product: Pass = {
      source: generated(import.meta.url, `matmul/lanes-${form}-${rows}`, () => laneMatmulText(form, rows)),
      bind,
      params: { ...params, slope: slopeOnly ? p.slope : 1 },
      workgroups: [Math.ceil(p.m / rows), Math.ceil(p.n / LANE_COLUMNS), p.batch],
    };
    const activation = slopeOnly ? [] : [activationPass(p.activation, p.batch * p.m * p.n)];
    return [...before, product, ...after, ...activation];
  },
};
