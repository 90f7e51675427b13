import { hasLanes } from '../common/lanes.ts';
import { ceil4, repitch } from '../common/repitch.ts';
import { requiresTextures, type Via, vec4Input } from '../common/vec4-input.ts';
import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { generated, type Pass, type Variant } from '../kernel.ts';
import { LANE_COLUMNS, laneAccumulators, laneMultiplyAdd, laneStepByDepth, laneStore, lines } from './lane-tile.ts';
import { matrices } from './padding.ts';

/** Rows of an operand that lie side by side in a panel: those of `left`, the columns of `right`. */
const PANEL = LANE_COLUMNS;

/** What WebGPU guarantees for one binding. */
const LARGEST_BINDING = 2 ** 27;

type Params = Readonly<Record<string, number>>;

interface Operand {
  readonly side: 'left' | 'right';
  readonly rows: number;
  readonly k: number;
  /** Stored [rows, k]; else [k, rows]. */
  readonly alongK: boolean;
  readonly matrices: number;
}

const operands = (p: Params): Operand[] => [
  { side: 'left', rows: p.m, k: p.k, alongK: !p.transposeLeft, matrices: matrices(p, 'left') },
  { side: 'right', rows: p.n, k: p.k, alongK: Boolean(p.transposeRight), matrices: matrices(p, 'right') },
];

const panels = (o: Operand): number => Math.ceil(o.rows / PANEL);

const packedBytes = (o: Operand): number => 4 * PANEL * o.matrices * panels(o) * ceil4(o.k);

/** A 4 × 4 block from row `row` and k `4 * k4` as vectors v0 … v3, along k where the source's lines are, else along rows. */
function blockText(alongK: boolean, aligned: boolean): string {
  const line = (j: number): string =>
    alongK ? `min(row + ${j}u, params.rows - 1u) * params.k` : `min(4u * k4 + ${j}u, params.k - 1u) * params.rows`;
  const vector = (j: number): string => {
    if (aligned) return `operand[(base + ${line(j)} + ${alongK ? '4u * k4' : 'min(row, params.rows - 4u)'}) / 4u]`;
    const at = (i: number): string =>
      alongK ? `min(4u * k4 + ${i}u, params.k - 1u)` : `min(row + ${i}u, params.rows - 1u)`;
    return `vec4f(${[0, 1, 2, 3].map((i) => `operand[base + ${line(j)} + ${at(i)}]`).join(', ')})`;
  };
  const exists = (j: number): string =>
    alongK ? 'vec4u(4u * k4) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.k)' : `4u * k4 + ${j}u < params.k`;
  return lines(4, '  ', (j) =>
    alongK && aligned ? `let v${j} = ${vector(j)};` : `let v${j} = select(vec4f(0.0), ${vector(j)}, ${exists(j)});`,
  );
}

const packText = (
  alongK: boolean,
  aligned: boolean,
): string => `// Packs an operand of matmul for the packed product: packed[matrix][panel][k][32 rows], so that a step of k reads one run
// of memory (lines a power of two apart share a set of the first cache and push each other out). Source [${alongK ? 'rows, k' : 'k, rows'}];
// k is padded with zeros to a multiple of 4, rows to one of 32 with anything. One invocation packs 4 rows × 4 k.
requires immediate_address_space;

struct Params { rows: u32, k: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> operand: array<${aligned ? 'vec4f' : 'f32'}>;
@group(0) @binding(1) var<storage, read_write> packed: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let k4 = wid.x * 8u + lane / 8u;
  let depth4 = (params.k + 3u) / 4u;
  if (k4 >= depth4) { return; }
  let row = wid.y * ${PANEL}u + lane % 8u * 4u;
  let base = wid.z * params.rows * params.k;
${blockText(alongK, aligned)}
  let at = ((wid.z * count.y + wid.y) * depth4 + k4) * ${PANEL}u + lane % 8u;
${lines(4, '  ', (j) => `packed[at + ${8 * j}u] = ${alongK ? `vec4f(v0[${j}], v1[${j}], v2[${j}], v3[${j}])` : `v${j}`};`)}
}
`;

/** Rows of a tile: two panels, unless the loads of their operands would leave the instruction cache. */
const tileRows = (via: Via): number => (via === 'texture' ? 2 * PANEL : PANEL);

const productText = (
  via: Via,
): string => `${requiresTextures(via)}// matmul: out[b] = f(left[b] · right[b] + bias) of packed operands [matrix][panel][k][32], one subgroup of 8 lanes per tile of
// ${tileRows(via)} × ${LANE_COLUMNS}. Strides and the pitch are in vec4; k is a multiple of 4.
requires immediate_address_space;
enable subgroups;

struct Params {
  m: u32, k: u32, outPitch: u32,
  inner: u32, leftOuter: u32, leftInner: u32, rightOuter: u32, rightInner: u32,
  slope: f32,
}
var<immediate> params: Params;

${vec4Input(0, 'left', via)}
${vec4Input(1, 'right', via)}
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
  let column = wid.y * ${LANE_COLUMNS / 4}u + lane;
  let outer = wid.z / params.inner;
  let inner = wid.z % params.inner;
  let panel = params.k * 8u;
  let leftAt = outer * params.leftOuter + inner * params.leftInner + wid.x * ${tileRows(via) / PANEL}u * panel + lane;
  let rightAt = outer * params.rightOuter + inner * params.rightInner + wid.y * panel + lane;
${laneAccumulators(tileRows(via))}
  for (var k = 0u; k < params.k; k += 4u) {
${lines(tileRows(via) / 8, '    ', (q) => `let a${q} = loadLeft(${q < 4 ? 'leftAt' : 'leftAt + panel'} + 8u * k + ${8 * (q % 4)}u);`)}
${lines(4, '    ', (q) => `let b${q} = loadRight(rightAt + 8u * k + ${8 * q}u);`)}
    ${laneStepByDepth(tileRows(via))}
  }
  firstRow = wid.x * ${tileRows(via)}u;
  outAt = (wid.z * params.m + firstRow) * params.outPitch + column;
  inside = column < params.outPitch;
  let start = bias[column];
${laneStore(tileRows(via), ' + start')}
}
`;

export const packedMatmul: Variant = {
  name: 'packed',
  adds: 'the lanes tile on operands packed into panels first: runs instead of strides, 48 → 57 GFLOP/s at 1024³, packing included',
  supports: (p, traits) =>
    hasLanes(traits) &&
    p.batch <= 65_535 &&
    !(p.transposeLeft && p.transposeRight) &&
    operands(p).every((o) => packedBytes(o) <= LARGEST_BINDING && panels(o) <= 65_535 && o.matrices <= 65_535),
  suits: ({ m, n, k }, traits) => traits.family === 'lanes' && m >= 512 && n >= 512 && k >= 128,
  scratch: (p) => ({
    ...Object.fromEntries(operands(p).map((o) => [`${o.side}Packed`, packedBytes(o)])),
    ...(p.n % 4 !== 0 && { outPadded: 4 * p.batch * p.m * ceil4(p.n) }),
  }),
  passes: (p, _tile, traits) => {
    const via: Via = traits.textures ? 'texture' : 'buffer';
    const [left, right] = operands(p);
    const [k, n] = [ceil4(p.k), ceil4(p.n)];
    const pack = (o: Operand): Pass => {
      const aligned = (o.alongK ? o.k : o.rows) % 4 === 0;
      return {
        source: generated(import.meta.url, `matmul/pack-${o.alongK}-${aligned}`, () => packText(o.alongK, aligned)),
        bind: { operand: o.side, packed: `${o.side}Packed` },
        params: { rows: o.rows, k: o.k },
        workgroups: [Math.ceil(k / 32), panels(o), o.matrices],
      };
    };
    const slopeOnly = isSlopeOnly(p.activation);
    const size = (o: Operand): number => 8 * panels(o) * k;
    const product: Pass = {
      source: generated(import.meta.url, `matmul/packed-${via}`, () => productText(via)),
      bind: { left: 'leftPacked', right: 'rightPacked', out: p.n % 4 === 0 ? 'out' : 'outPadded' },
      params: {
        k,
        outPitch: n / 4,
        leftOuter: p.leftOuter * size(left),
        leftInner: p.leftInner * size(left),
        rightOuter: p.rightOuter * size(right),
        rightInner: p.rightInner * size(right),
        slope: slopeOnly ? p.slope : 1,
      },
      workgroups: [Math.ceil(p.m / tileRows(via)), panels(right), p.batch],
    };
    const rows = p.batch * p.m;
    const cut = repitch('outPadded', 'out', { matrices: 1, rows, columns: n, toRows: rows, toColumns: p.n }, traits);
    const activation = activationPass(p.activation, rows * p.n, traits);
    return [pack(left), pack(right), product, ...(p.n % 4 === 0 ? [] : [cut]), ...(slopeOnly ? [] : [activation])];
  },
};
