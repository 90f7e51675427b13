import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { type Constants, type DeviceTraits, generated, type Pass, type Variant } from '../kernel.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import { type Form, formOf, padded, paddingScratch } from './padding.ts';
import { type BlockTile, threadsOf, tileText } from './tile.ts';

function tiledMatmulText(form: Form, tile: BlockTile): string {
  // Operands stored with k along the rows come as four vec4 along k, to be transposed.
  const block = (side: 'left' | 'right', alongK: boolean, last: string): string => {
    const at = (j: number): string =>
      alongK
        ? `${side}[${side}At + min(first + ${j}u, ${last} - 1u) * params.${side}Pitch + k / 4u]`
        : `${side}[${side}At + (k + ${j}u) * params.${side}Pitch + min(first / 4u, params.${side}Pitch - 1u)]`;
    const loaded = `mat4x4f(${[0, 1, 2, 3].map(at).join(',\n    ')})`;
    return `fn ${side}Block(slot: u32, block: u32, k: u32) -> mat4x4f {
  if (k >= endK) { return mat4x4f(); }
  let first = first${side === 'left' ? 'Row' : 'Column'} + block * 4u;
  return ${alongK ? `transpose(${loaded})` : loaded};
}`;
  };
  return `// matmul, ${form}: out[b] = f(left[b] · right[b] + bias), a workgroup per tile of ${tile.bm} × ${tile.bn}, 8 × 8 per invocation.
// Pitches and strides are in vec4; k and the pitches are multiples of 4 numbers, padded with zeros where need be.
// k may be split into parts; each writes its own partial product (the first with the bias), to be summed in order.
requires immediate_address_space;

struct Params {
  m: u32, n: u32, k: u32,
  leftPitch: u32, rightPitch: u32, outPitch: u32,
  inner: u32, leftOuter: u32, leftInner: u32, rightOuter: u32, rightInner: u32,
  batch: u32, part: u32,
  slope: f32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> left: array<vec4f>;
@group(0) @binding(1) var<storage, read> right: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;

var<private> leftAt: u32;
var<private> rightAt: u32;
var<private> firstRow: u32;
var<private> firstColumn: u32;
var<private> outAt: u32;
var<private> endK: u32;

${block('left', form !== 'tn', 'params.m')}
${block('right', form === 'nt', 'params.n')}

fn prepare(slot: u32, block: u32) {}

fn store(row: u32, column4: u32, value: vec4f) {
  let r = firstRow + row;
  let c = firstColumn / 4u + column4;
  if (r < params.m && c < params.outPitch) {
    out[outAt + r * params.outPitch + c] = select(params.slope * value, value, value > vec4f(0.0));
  }
}
${tileText(tile)}
@compute @workgroup_size(${threadsOf(tile)})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let b = wid.z % params.batch;
  let part = wid.z / params.batch;
  let outer = b / params.inner;
  let inner = b % params.inner;
  leftAt = outer * params.leftOuter + inner * params.leftInner;
  rightAt = outer * params.rightOuter + inner * params.rightInner;
  firstRow = wid.y * ${tile.bm}u;
  firstColumn = wid.x * ${tile.bn}u;
  outAt = wid.z * params.m * params.outPitch;
  let firstK = part * params.part;
  let lastK = min(firstK + params.part, params.k); // uniform, which a private variable would not be
  endK = lastK;
  let column = firstColumn / 4u + thread % ${tile.bn / 8}u;
  let first = part == 0u;
  multiplyTile(
    thread, firstK, lastK,
    select(vec4f(0.0), bias[column], first), select(vec4f(0.0), bias[column + ${tile.bn / 8}u], first),
  );
}
`;
}

/** Tiles by size of the grid they make: large ones are faster once there are enough of them to fill the GPU. */
export function blockTiles(rows: number, columns: number, batch: number, traits: DeviceTraits): Constants[] {
  const all = [
    { bm: 128, bn: 128 },
    { bm: 128, bn: 64 },
    { bm: 64, bn: 64 },
  ].filter(
    (tile) => threadsOf(tile) <= traits.maxInvocations && 128 * (tile.bm + tile.bn) <= traits.maxWorkgroupStorage,
  );
  const count = (tile: BlockTile): number => Math.ceil(rows / tile.bm) * Math.ceil(columns / tile.bn) * batch;
  const best = all.find((tile) => count(tile) >= 256) ?? all[all.length - 1];
  return [best, ...all.filter((tile) => tile !== best)];
}

/** Parts along k: enough workgroups to fill a GPU, each long enough to be worth its partial result. */
export function partsOf(workgroups: number, k: number): { part: number; parts: number } {
  const wanted = Math.max(1, Math.min(Math.ceil(256 / workgroups), Math.floor(k / 256), 64));
  const part = Math.ceil(k / wanted / 16) * 16;
  return { part, parts: Math.ceil(k / part) };
}

type Params = Readonly<Record<string, number>>;

const workgroupsOf = (p: Params, tile: BlockTile): [number, number] => [
  Math.ceil(p.n / tile.bn),
  Math.ceil(p.m / tile.bm),
];

const split = (p: Params, tile: BlockTile): { part: number; parts: number } => {
  const [x, y] = workgroupsOf(p, tile);
  return partsOf(x * y * p.batch, p.k);
};

export const tiledMatmul: Variant = {
  name: 'tiled',
  adds: 'tiles in workgroup memory, 8 × 8 per invocation, double-buffered, k split where the grid is small: for GPUs',
  supports: (p, traits) =>
    !(p.transposeLeft && p.transposeRight) &&
    blockTiles(p.m, p.n, p.batch, traits).length > 0 &&
    p.batch * 64 <= 65_535 &&
    p.m <= 64 * 65_535 &&
    p.n <= 64 * 65_535,
  family: 'tiled',
  suits: (p, traits) => traits.family === 'tiled' && p.batch * p.m * p.n * p.k >= 65_536,
  tiles: (p, traits) => blockTiles(p.m, p.n, p.batch, traits),
  scratch: (p, tile) => {
    const { parts } = split(p, tile as unknown as BlockTile);
    return {
      ...paddingScratch(p),
      ...(parts > 1 && { partials: 16 * parts * p.batch * p.m * padded(p).params.outPitch }),
    };
  },
  passes: (p, constants) => {
    const tile = constants as unknown as BlockTile;
    const form = formOf(p);
    const { before, after, bind, params } = padded(p);
    const { part, parts } = split(p, tile);
    const [x, y] = workgroupsOf(p, tile);
    const inTile = parts === 1 && isSlopeOnly(p.activation);
    const product: Pass = {
      source: generated(import.meta.url, `matmul/tiled-${form}-${tile.bm}x${tile.bn}`, () =>
        tiledMatmulText(form, tile),
      ),
      bind: { ...bind, ...(parts > 1 && { out: 'partials' }) },
      params: { ...params, part, slope: inTile ? p.slope : 1 },
      workgroups: [x, y, p.batch * parts],
    };
    const sum: Pass[] =
      parts > 1 ? [{ ...sumPartials(parts, 4 * p.batch * p.m * params.outPitch), bind: { out: bind.out } }] : [];
    const activation = p.activation === 0 || inTile ? [] : [activationPass(p.activation, p.batch * p.m * p.n)];
    return [...before, product, ...sum, ...after, ...activation];
  },
};
