import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { type Operand, scalePasses, scaleScratch } from '../half/half.ts';
import { type Constants, type DeviceTraits, generated, type Pass, type Variant } from '../kernel.ts';
import { type Parts, partBytes, sumParts } from '../reduce/sum-partials.ts';
import { type TiledKind, tiledKinds } from './arithmetics.ts';
import { type Form, formOf, matrices, padded, paddingPasses, paddingScratch } from './padding.ts';
import {
  type Arithmetic,
  type BlockTile,
  blockTileOf,
  nameOf,
  SLAB,
  singles,
  slabBytes,
  threadsOf,
  tileText,
} from './tile.ts';

function tiledMatmulText(form: Form, tile: BlockTile, arithmetic: Arithmetic): string {
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
  return `// matmul, ${form}: out[b] = f(left[b] · right[b] + bias), a workgroup per tile of ${tile.bm} × ${tile.bn}, ${tile.micro} × ${tile.micro} per invocation.
// Pitches and strides are in vec4; k and the pitches are multiples of 4 numbers, padded with zeros where need be.
// k may be split into parts; each writes its own partial product (the first with the bias), to be summed in order.
requires immediate_address_space;
${arithmetic.directives}

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
var<private> startsHere: bool;

${block('left', form !== 'tn', 'params.m')}
${block('right', form === 'nt', 'params.n')}

fn prepare(slot: u32, block: u32) {}

fn start(column4: u32) -> vec4f { return select(vec4f(0.0), bias[firstColumn / 4u + column4], startsHere); }

fn store(row: u32, column4: u32, value: vec4f) {
  let r = firstRow + row;
  let c = firstColumn / 4u + column4;
  if (r < params.m && c < params.outPitch) {
    out[outAt + r * params.outPitch + c] = select(params.slope * value, value, value > vec4f(0.0));
  }
}
${tileText(tile, arithmetic)}
@compute @workgroup_size(${threadsOf(tile)})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) thread: u32) {
  let place = tileOf(wid.y * count.x + wid.x, count.y, count.x);
  let b = wid.z % params.batch;
  let part = wid.z / params.batch;
  let outer = b / params.inner;
  let inner = b % params.inner;
  leftAt = outer * params.leftOuter + inner * params.leftInner;
  rightAt = outer * params.rightOuter + inner * params.rightInner;
  firstRow = place.x * ${tile.bm}u;
  firstColumn = place.y * ${tile.bn}u;
  outAt = wid.z * params.m * params.outPitch;
  let firstK = part * params.part;
  let lastK = min(firstK + params.part, params.k); // uniform, which a private variable would not be
  endK = lastK;
  startsHere = part == 0u;
  multiplyTile(thread, firstK, lastK);
}
`;
}

/**
 * Invocations that a product wants: two workgroups of 256 on each of the 132 multiprocessors of an H100 or H200. WebGPU does not
 * say how many there are; a smaller GPU loses little by more.
 */
const INVOCATIONS = 256 * 256;

/** A part of less k does not pay for its partial result. */
const mostParts = (k: number): number => Math.max(1, Math.min(Math.floor(k / 256), 1024));

/** Parts that one invocation adds up; of more, 32 at a time in a first pass. */
const ADDED = 64;

/**
 * What a workgroup's start and end cost, in steps of k: with this much, and as much again for the one workgroup of 512
 * that fits where two of 256 would, the reckoning below picks what an H200 found fastest at 4096³, 1024³,
 * 128 × 16384 × 2000 and a convolution of 256 channels.
 */
const START_AND_END = 96;

/**
 * Tiles, the expected best first: that with the fewest products, padding included, each step of k reckoned with its loads
 * at 8 products a number from memory and 1 a number from workgroup memory, over the share of invocations wanted that the
 * grid has, k split where `depth` says that it may be. A reckoning, not a measurement: the tuner measures all.
 */
export function blockTiles(
  rows: number,
  columns: number,
  batch: number,
  traits: DeviceTraits,
  depth = 0,
  numberBytes = 4,
): { bm: number; bn: number; micro: number }[] {
  const cost = (tile: BlockTile): number => {
    const { bm, bn, micro } = tile;
    const threads = threadsOf(tile);
    const count = Math.ceil(rows / bm) * Math.ceil(columns / bn) * batch;
    const filled = Math.min(1, (count * mostParts(depth) * threads) / INVOCATIONS);
    const parts = depth > 0 ? partsOf(count, depth, threads).parts : 0;
    const ends = depth > 0 ? (parts * START_AND_END * Math.max(1, threads / 256)) / depth : 0;
    // The largest tile is for grids that fill a GPU by themselves: a weight gradient took 8.1 ms by it instead of 5.4.
    const sparse = threads > 256 && count * threads < INVOCATIONS ? 1.5 : 1;
    return (sparse * count * bm * bn * (1 + 8 / bm + 8 / bn + 1 / micro + ends)) / filled;
  };
  return [
    { bm: 256, bn: 128, micro: 8 },
    { bm: 128, bn: 128, micro: 8 },
    { bm: 128, bn: 64, micro: 8 },
    { bm: 64, bn: 64, micro: 8 },
    { bm: 64, bn: 64, micro: 4 },
    { bm: 32, bn: 128, micro: 4 },
  ]
    .filter((tile) => threadsOf(tile) <= traits.maxInvocations)
    .filter((tile) => slabBytes(tile, numberBytes) <= traits.maxWorkgroupStorage)
    .filter(({ bm, bn }) => Math.max(rows / bm, columns / bn) <= 65_535)
    .sort((a, b) => cost(a) - cost(b));
}

/** Parts along k: enough invocations to fill a GPU, each long enough to be worth its partial result. */
export function partsOf(workgroups: number, k: number, threads: number): Parts {
  const enough = Math.ceil(INVOCATIONS / (workgroups * threads));
  const part = Math.ceil(k / Math.min(enough, mostParts(k)) / SLAB) * SLAB;
  const parts = Math.ceil(k / part);
  if (parts <= ADDED) return { part, parts };
  // The last few may have nothing to do.
  const between = Math.ceil(parts / 32);
  return { part, parts: 32 * between, between };
}

type Params = Readonly<Record<string, number>>;

/** A product of whole vec4: the kernel's parameters but `part`, and what its buffers are called. */
export interface TiledProduct {
  readonly form: Form;
  readonly params: Params;
  readonly bind: { readonly left: string; readonly right: string; readonly bias: string; readonly out: string };
}

const cut = ({ params: { batch, m, n, k } }: TiledProduct, tile: BlockTile) => {
  const [x, y] = [Math.ceil(n / tile.bn), Math.ceil(m / tile.bm)];
  return { x, y, split: partsOf(x * y * batch, k, threadsOf(tile)) };
};

const sizeOf = ({ params: { batch, m, outPitch } }: TiledProduct): number => 4 * batch * m * outPitch;

/** Scratch that the passes of a product need where k is split. */
export const productScratch = (product: TiledProduct, tile: BlockTile): Record<string, number> =>
  partBytes(cut(product, tile).split, sizeOf(product));

export function tiledProduct(
  product: TiledProduct,
  tile: BlockTile,
  traits: DeviceTraits,
  arithmetic: Arithmetic = singles,
): Pass[] {
  const { form, params, bind } = product;
  const { x, y, split } = cut(product, tile);
  const { part, parts } = split;
  return [
    {
      source: generated(import.meta.url, `matmul/${form}-${nameOf(tile, arithmetic)}`, () =>
        tiledMatmulText(form, tile, arithmetic),
      ),
      bind: { ...bind, ...(parts > 1 && { out: 'partials' }) },
      params: { ...params, part, ...(parts > 1 && { slope: 1 }) },
      workgroups: [x, y, params.batch * parts],
    },
    ...sumParts(split, sizeOf(product), bind.out, traits),
  ];
}

/** The product between padding and cutting. */
function productOf(p: Params): TiledProduct {
  const { bind, params } = padded(p);
  const { batch, m, n, inner } = p;
  const slope = isSlopeOnly(p.activation) ? p.slope : 1;
  const sizes = { k: params.k, outPitch: params.outPitch };
  return {
    form: formOf(p),
    bind: { ...bind, bias: 'bias' },
    params: { ...params, ...sizes, batch, m, n, inner, slope },
  };
}

function tiledVariant({ name, adds, arithmetic, among, half, least }: TiledKind): Variant {
  const tiles = (p: Params, traits: DeviceTraits): readonly Constants[] =>
    among(blockTiles(p.m, p.n, p.batch, traits, p.k, half ? 2 : 4), traits);
  const operands = (p: Params): [Operand, Operand] => [
    { name: 'left', count: matrices(p, 'left') * p.m * p.k },
    { name: 'right', count: matrices(p, 'right') * p.k * p.n },
  ];
  return {
    name,
    adds:
      adds ||
      'tiles in workgroup memory, 8 × 8 or 4 × 4 per invocation, double-buffered, k split where the grid is small: for GPUs (4096³ on an H200: 36 TFLOP/s, naive 1.5)',
    supports: (p, traits) =>
      (!half || p.half === 1) &&
      !(p.transposeLeft && p.transposeRight) &&
      p.batch <= 65_535 &&
      tiles(p, traits).length > 0,
    family: 'tiled',
    suits: (p, traits) => traits.family === 'tiled' && p.batch * p.m * p.n * p.k >= (half ? least : 65_536),
    tiles,
    scratch: (p, tile) => ({
      ...paddingScratch(p),
      ...(half && scaleScratch(...operands(p))),
      ...productScratch(productOf(p), blockTileOf(tile)),
    }),
    passes: (p, tile, traits) => {
      const { before, after } = paddingPasses(p, traits);
      const product = tiledProduct(productOf(p), blockTileOf(tile), traits, arithmetic(tile));
      // Split, the activation comes after the sum.
      const inTile = product.length === 1 && isSlopeOnly(p.activation);
      const activation =
        p.activation === 0 || inTile ? [] : [activationPass(p.activation, p.batch * p.m * p.n, traits)];
      return [...before, ...(half ? scalePasses(...operands(p)) : []), ...product, ...after, ...activation];
    },
  };
}

export const tiledMatmul = tiledKinds.map(tiledVariant);
