import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import {
  type Operand,
  type PackedSide,
  packedBytes,
  packedStride,
  packPass,
  roundingPays,
  scalePasses,
  scaleScratch,
  unpackColumns,
  unpackRow,
} from '../half/half.ts';
import { generated, type Pass, type Variant } from '../kernel.ts';
import { LANE_COLUMNS, laneAccumulators, laneMultiplyAdd, laneStepByRow, laneStore, lines } from './lane-tile.ts';
import { formOf, matrices, padded, paddingScratch } from './padding.ts';

const text = (rows: number): string => {
  const groups = rows / 8;
  return `// matmul of operands packed as halves (pack-halves.wgsl): out[b] = f(left[b] · right[b] + bias), one subgroup of 8 lanes per tile of
// ${rows} × ${LANE_COLUMNS}; products and sums in f32. Strides in packed words, outPitch in vec4.
requires immediate_address_space;
enable subgroups;

struct Params {
  m: u32, fours: u32, outPitch: u32,
  inner: u32, leftOuter: u32, leftInner: u32, rightOuter: u32, rightInner: u32,
  slope: f32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> leftHalves: array<vec2u>;
@group(0) @binding(1) var<storage, read> rightHalves: array<vec4u>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read> scales: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;

var<private> firstRow: u32;
var<private> outAt: u32;
var<private> inside: bool;
var<private> undo: vec2f;
var<private> offset: vec4f;

fn store(i: u32, sum: vec4f) {
  if (inside && firstRow + i < params.m) {
    let value = sum * undo.x * undo.y + offset;
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
  let lastPanel = (params.m - 1u) / 8u;
  let leftAt = outer * params.leftOuter + inner * params.leftInner + lane;
  var rightAt = outer * params.rightOuter + inner * params.rightInner + wid.y * params.fours * 16u + lane;
${lines(groups, '  ', (g) => `var left${g} = leftAt + min(row / 8u + ${g}u, lastPanel) * params.fours * 8u;`)}
${laneAccumulators(rows)}
  for (var k = 0u; k < params.fours; k++) {
${lines(groups, '    ', (g) => unpackRow(g, `leftHalves[left${g}]`))}
${lines(2, '    ', (i) => unpackColumns(i, `rightHalves[rightAt + ${8 * i}u]`))}
${lines(groups, '    ', (g) => `left${g} += 8u;`)}
    rightAt += 16u;
    ${laneStepByRow(rows)}
  }
  firstRow = row;
  outAt = (wid.z * params.m + row) * params.outPitch + column;
  inside = column < params.outPitch;
  undo = scales[0].zw;
  offset = bias[column];
${laneStore(rows)}
}
`;
};

type Params = Readonly<Record<string, number>>;

function sidesOf(p: Params): { left: PackedSide; right: PackedSide } {
  const form = formOf(p);
  const { params } = padded(p);
  const side = (name: 'left' | 'right', size: number, alongDepth: boolean): PackedSide => ({
    matrices: matrices(p, name),
    side: size,
    depth: params.k,
    alongDepth,
    pitch: params[`${name}Pitch`],
  });
  return { left: side('left', p.m, form !== 'tn'), right: side('right', p.n, form === 'nt') };
}

/** As the call binds them, before any padding. */
const operands = (p: Params): [Operand, Operand] => [
  { name: 'left', count: matrices(p, 'left') * p.m * p.k },
  { name: 'right', count: matrices(p, 'right') * p.k * p.n },
];

export const laneHalfMatmul: Variant = {
  name: 'lanes-half',
  adds: "operands rounded to halves and packed in panels, where 'medium' precision allows it: fewer loads, f32 sums",
  supports: (p, traits) =>
    p.half === 1 &&
    traits.subgroupMinSize === 8 &&
    traits.subgroupMaxSize === 8 &&
    p.batch <= 65_535 &&
    !(p.transposeLeft && p.transposeRight) &&
    Math.ceil(p.m / 8) <= 65_535,
  suits: (p) => {
    const numbers = operands(p).reduce((sum, { count }) => sum + count, 0);
    return roundingPays(p.batch * p.m * p.n * p.k, numbers) && p.m >= 32;
  },
  tiles: ({ m }) => {
    const best = m <= 8 ? 8 : m <= 16 ? 16 : 32;
    return [{ rows: best }, ...[8, 16, 32].filter((rows) => rows !== best).map((rows) => ({ rows }))];
  },
  scratch: (p) => {
    const { left, right } = sidesOf(p);
    return {
      ...paddingScratch(p),
      ...scaleScratch(...operands(p)),
      leftHalves: packedBytes(left, true),
      rightHalves: packedBytes(right, false),
    };
  },
  passes: (p, tile) => {
    const rows = Number(tile.rows);
    const { left, right } = sidesOf(p);
    const { before, after, bind, params } = padded(p);
    const slopeOnly = isSlopeOnly(p.activation);
    const product: Pass = {
      source: generated(import.meta.url, `matmul/lanes-half-${rows}`, () => text(rows)),
      bind: { out: bind.out },
      params: {
        m: p.m,
        fours: Math.ceil(p.k / 4),
        outPitch: params.outPitch,
        leftOuter: p.leftOuter * packedStride(left, true),
        leftInner: p.leftInner * packedStride(left, true),
        rightOuter: p.rightOuter * packedStride(right, false),
        rightInner: p.rightInner * packedStride(right, false),
        slope: slopeOnly ? p.slope : 1,
      },
      workgroups: [Math.ceil(p.m / rows), Math.ceil(p.n / LANE_COLUMNS), p.batch],
    };
    const activation = slopeOnly ? [] : [activationPass(p.activation, p.batch * p.m * p.n)];
    return [
      ...before,
      ...scalePasses(...operands(p)),
      packPass(bind.left, 'leftHalves', left, true),
      packPass(bind.right, 'rightHalves', right, false),
      product,
      ...after,
      ...activation,
    ];
  },
};
