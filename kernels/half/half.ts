/**
 * Products whose operands are rounded to halves (binary16, 11 bits) while sums stay f32: what 'medium' of
 * setFloat32MatmulPrecision allows. Each operand is first scaled by a power of two that brings its largest finite value to
 * 2¹⁴ … 2¹⁵, and the result scaled back: nothing overflows, and values down to 2⁻²⁹ of the largest keep all 11 bits.
 */
import { type Pass, wgsl, workgroupsFor } from '../kernel.ts';

/** Invocations of the first pass read at least this many numbers each. */
const PER_INVOCATION = 64;
const MOST_PARTIALS = 256;

const partialsOf = (count: number): number =>
  Math.max(1, Math.min(MOST_PARTIALS, Math.ceil(count / (64 * PER_INVOCATION))));

/** An operand as the call binds it: its name there, and how many numbers it holds. */
export interface Operand {
  readonly name: string;
  readonly count: number;
}

/**
 * Where rounding operands of `numbers` together costs a CPU less than it saves of `products`: scaling and packing took 2 ns
 * a number on lavapipe, and each product with it became 0.008 ns shorter.
 */
export const roundingPays = (products: number, numbers: number): boolean => products > 256 * numbers;

/**
 * Products below which a GPU's rungs keep to f32: finding the scales is three more dispatches. A reckoning, not a measurement;
 * the tuner measures.
 */
export const HALF_PRODUCTS = 2 ** 26;

/** Scratch of `scalePasses`. */
export const scaleScratch = (left: Operand, right: Operand): Record<string, number> => ({
  partial: 4 * (partialsOf(left.count) + partialsOf(right.count)),
  scales: 16,
});

/** Fills the scratch buffer `scales` (half-scales.wgsl) from the two operands. */
export function scalePasses(left: Operand, right: Operand): Pass[] {
  const leftPartials = partialsOf(left.count);
  const rightPartials = partialsOf(right.count);
  const range = ({ name, count }: Operand, firstPartial: number, partials: number): Pass => ({
    source: wgsl(import.meta.url, 'half-range.wgsl'),
    bind: { x: name },
    params: { count, firstPartial },
    workgroups: [partials],
  });
  return [
    range(left, 0, leftPartials),
    range(right, leftPartials, rightPartials),
    {
      source: wgsl(import.meta.url, 'half-scales.wgsl'),
      params: { leftPartials, rightPartials },
      workgroups: [1],
    },
  ];
}

/** One operand of a matrix product: `side` rows of the left or columns of the right, by `depth`. */
export interface PackedSide {
  readonly matrices: number;
  readonly side: number;
  readonly depth: number;
  /** Lines in memory run along the depth (true) or along the side; their pitch in vec4, padded with zeros. */
  readonly alongDepth: boolean;
  readonly pitch: number;
}

/** Side indices of a panel. */
const panelOf = (left: boolean): number => (left ? 8 : 32);

/** Depths by fours. */
const foursOf = ({ depth }: PackedSide): number => Math.ceil(depth / 4);

/** Numbers of one packed matrix. */
const packedSize = (p: PackedSide, left: boolean): number =>
  4 * foursOf(p) * Math.ceil(p.side / panelOf(left)) * panelOf(left);

/** Steps of 8 lanes' words of one packed matrix: vec2u on the left, vec4u on the right. */
export const packedStride = (p: PackedSide, left: boolean): number => packedSize(p, left) / (left ? 4 : 8);

export const packedBytes = (p: PackedSide, left: boolean): number => 2 * p.matrices * packedSize(p, left);

/** Writes `source`, scaled, in the panels of pack-halves.wgsl. */
export const packPass = (source: string, halves: string, p: PackedSide, left: boolean): Pass => {
  const lines = p.alongDepth ? p.side : p.depth;
  const panelQuads = panelOf(left) / 4;
  return {
    source: wgsl(import.meta.url, 'pack-halves.wgsl'),
    constants: { LEFT: left, ALONG_DEPTH: p.alongDepth, PANEL_QUADS: panelQuads },
    bind: { source, halves },
    params: {
      matrices: p.matrices,
      matrix: lines * p.pitch,
      lines,
      pitch: p.pitch,
      quads: panelQuads * Math.ceil(p.side / panelOf(left)),
      fours: foursOf(p),
    },
    workgroups: workgroupsFor((p.matrices * packedSize(p, left)) / 16, 64),
  };
};

/** Writes `source`, scaled as the left operand or the right, in the same order: two vec4f become a vec4u. */
export const halvesPass = (source: string, halves: string, count: number, left: boolean): Pass => ({
  source: wgsl(import.meta.url, 'to-halves.wgsl'),
  constants: { LEFT: left },
  bind: { source, halves },
  params: { fours: Math.ceil(count / 4) },
  workgroups: workgroupsFor(count / 8, 64),
});

/** Bytes of `count` halves, whole vec4u. */
export const halvesBytes = (count: number): number => 16 * Math.ceil(count / 8);

/** Loads of a step of four depths from packed operands, as the variables of lane-tile.ts: a_g, and b_0 … b_3. */
export const unpackRow = (g: number, words: string): string =>
  `let p${g} = ${words}; let a${g} = vec4f(unpack2x16float(p${g}.x), unpack2x16float(p${g}.y));`;

export const unpackColumns = (i: number, words: string): string => {
  const columns = ['x', 'y', 'z', 'w'].map((c, j) => `let q${i}${j} = unpack2x16float(w${i}.${c});`);
  const at = (k: 'x' | 'y'): string => [0, 1, 2, 3].map((j) => `q${i}${j}.${k}`).join(', ');
  return `let w${i} = ${words}; ${columns.join(' ')} let b${2 * i} = vec4f(${at('x')}); let b${2 * i + 1} = vec4f(${at('y')});`;
};
