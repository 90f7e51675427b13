import { hasLanes } from '../common/lanes.ts';
import { requiresTextures, type Via, vec4Input, viaFor } from '../common/vec4-input.ts';
import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { type DeviceTraits, generated, type Pass, type Variant } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByDepth,
  laneStepByRow,
  laneStore,
  lines,
  range,
} from './lane-tile.ts';
import { type Form, formOf, matrices, padded, paddingPasses, paddingScratch } from './padding.ts';

interface Reads {
  readonly left: Via;
  readonly right: Via;
}

/** Text of the kernel; sizes come as parameters, so one pipeline serves every shape. */
function laneMatmulText(form: Form, rows: number, reads: Reads): string {
  const groups = rows / 8;
  const byDepth = form === 'tn';
  const blocks = range(Math.ceil(rows / 32));
  const leftBase = byDepth
    ? blocks.map((b) => `  let left${b} = leftAt + min(row / 4u + ${8 * b}u + lane, leftPitch - 1u);`).join('\n')
    : lines(groups, '  ', (g) => `let left${g} = leftAt + min(row + ${8 * g}u + lane, params.m - 1u) * leftPitch;`);
  const leftLoad = byDepth
    ? blocks
        .map((b) => lines(4, '    ', (k) => `let a${4 * b + k} = loadLeft(left${b} + (4u * k + ${k}u) * leftPitch);`))
        .join('\n')
    : lines(groups, '    ', (g) => `let a${g} = loadLeft(left${g} + k);`);
  // Transposed, lane l loads the four rows of `right` that are its columns, and turns the 4 × 4 block in registers.
  const rightBase =
    form === 'nt'
      ? lines(4, '  ', (j) => `let right${j} = rightAt + min(4u * column + ${j}u, params.n - 1u) * rightPitch;`)
      : `  rightAt += min(column, rightPitch - 1u);`;
  const rightLoad =
    form === 'nt'
      ? `${lines(4, '    ', (j) => `let q${j} = loadRight(right${j} + k);`)}
${lines(4, '    ', (k) => `let b${k} = vec4f(q0[${k}], q1[${k}], q2[${k}], q3[${k}]);`)}`
      : lines(4, '    ', (k) => `let b${k} = loadRight(rightAt + (4u * k + ${k}u) * rightPitch);`);
  return `${requiresTextures(reads.left, reads.right)}// matmul, ${form}: out[b] = f(left[b] · right[b] + bias), one subgroup of 8 lanes per tile of ${rows} × ${LANE_COLUMNS}.
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

${vec4Input(0, 'left', reads.left)}
${vec4Input(1, 'right', reads.right)}
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

const leftVia = (p: Readonly<Record<string, number>>, traits: DeviceTraits): Via =>
  viaFor(traits, 4 * matrices(p, 'left') * p.m * p.k, Math.ceil(p.n / LANE_COLUMNS));

export const laneMatmul: Variant = {
  name: 'lanes',
  adds: 'operands in the 8 lanes of a CPU subgroup, factors by broadcast, up to 32 × 32 in registers; odd sizes padded first',
  supports: (p, traits) =>
    hasLanes(traits) && p.batch <= 65_535 && !(p.transposeLeft && p.transposeRight) && Math.ceil(p.m / 8) <= 65_535,
  suits: (p) => p.batch * p.m * p.n * p.k >= 4096,
  tiles: (p, traits) => {
    const tall = p.m > 32 && leftVia(p, traits) === 'texture';
    const best = p.m <= 8 ? 8 : p.m <= 16 ? 16 : tall ? 64 : 32;
    const all = tall ? [8, 16, 32, 64] : [8, 16, 32];
    return [{ rows: best }, ...all.filter((rows) => rows !== best).map((rows) => ({ rows }))];
  },
  scratch: paddingScratch,
  passes: (p, tile, traits) => {
    const rows = Number(tile.rows);
    const reads = {
      left: leftVia(p, traits),
      right: viaFor(traits, 4 * matrices(p, 'right') * p.n * p.k, Math.ceil(p.m / rows)),
    };
    const form = formOf(p);
    const { before, after } = paddingPasses(p, traits);
    const { bind, params } = padded(p);
    const slopeOnly = isSlopeOnly(p.activation);
    const product: Pass = {
      source: generated(import.meta.url, `matmul/lanes-${form}-${rows}-${reads.left}-${reads.right}`, () =>
        laneMatmulText(form, rows, reads),
      ),
      bind,
      params: { ...params, slope: slopeOnly ? p.slope : 1 },
      workgroups: [Math.ceil(p.m / rows), Math.ceil(p.n / LANE_COLUMNS), p.batch],
    };
    const activation = slopeOnly ? [] : [activationPass(p.activation, p.batch * p.m * p.n, traits)];
    return [...before, product, ...after, ...activation];
  },
};
