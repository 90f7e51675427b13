import { ceil4, repitch } from '../common/repitch.ts';
import { type Via, vec4Input, viaFor } from '../common/vec4-input.ts';
import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { type Operand, scalePasses, scaleScratch } from '../half/half.ts';
import { type Constants, type DeviceTraits, type Pass, type Variant, type WgslSource, wgsl } from '../kernel.ts';
import { type Parts, partBytes, sumParts } from '../reduce/sum-partials.ts';
import { type ConvGeometry, type ConvParam, packed } from './geometry.ts';

/** How a rung finds its vec4, by loadSrc and loadWeight. */
export interface Reads {
  readonly src: Via;
  readonly weight: Via;
}

/** Output channels of a panel of arranged weights, unless a rung wants fewer. */
export const PANEL = 32;

const rowAt = `fn rowAt(index: u32, walk: Walk) -> Row {
  let grid = (vec2i(i32(params.dstH), i32(params.dstW)) + walk.phases - 1) / walk.phases;
  let i = i32(index);
  let x = i % grid.y;
  let y = (i / grid.y) % grid.x;
  let n = i / (grid.y * grid.x);
  let pixel = vec2i(y, x) * walk.phases + walk.phase;
  let exists = n < i32(params.batch) && pixel.x < i32(params.dstH) && pixel.y < i32(params.dstW);
  let at = ((n * i32(params.dstH) + pixel.x) * i32(params.dstW) + pixel.y) * i32(params.dstC);
  let picture = min(n, i32(params.batch) - 1) * i32(params.srcH);
  return Row(vec2i(y, x) * walk.step + walk.first, picture, select(NOWHERE, u32(at), exists));
}
`;

/** Four rows after each other are the positions of one 2 × 2 window; dstH × dstW counts windows, and `out` is where theirs goes. */
const pooledRowAt = `
fn rowAt(index: u32, walk: Walk) -> Row {
  let size = vec2i(i32(params.dstH), i32(params.dstW));
  let i = i32(index / 4u);
  let x = i % size.y;
  let y = (i / size.y) % size.x;
  let n = i / (size.y * size.x);
  let pixel = 2 * vec2i(y, x) + vec2i(i32(index / 2u % 2u), i32(index % 2u));
  let exists = n < i32(params.batch);
  let at = i * i32(params.dstC);
  let picture = min(n, i32(params.batch) - 1) * i32(params.srcH);
  return Row(pixel * walk.step + walk.first, picture, select(NOWHERE, u32(at), exists));
}
`;

/**
 * What the gather kernels share. They are the convolution and, with `transposed`, its input gradient: each destination
 * pixel gathers, tap by tap, the source pixel that the tap points at, so that one pipeline serves both. Transposed with
 * a stride s, the destination falls into s × s phases; in each, the taps that hit are every s-th, so that no product
 * with an inserted zero is computed (needs stride 1 or dilation 1). Channels are in vec4, padded with zeros, unless the
 * text says f32; weights are arranged in panels (arrange-weights.wgsl), or come as they stand, of which panels = 0 tells.
 */
export const gatherText = (
  reads?: Reads,
  source: 'f32' | 'vec4f' = 'vec4f',
  target: 'f32' | 'vec4f' = 'vec4f',
  pooled = false,
): string => `
struct Params {
  batch: u32,
  srcH: u32, srcW: u32, srcC: u32,
  dstH: u32, dstW: u32, dstC: u32,
  depth: u32, columns: u32,
  window: u32, stride: u32, padding: u32, dilation: u32,
  panels: u32,
  transposed: u32,
  slope: f32,
}
var<immediate> params: Params;

${
  reads && source === 'vec4f'
    ? vec4Input(0, 'src', reads.src)
    : `@group(0) @binding(0) var<storage, read> src: array<${source}>;`
}
${reads ? vec4Input(1, 'weight', reads.weight) : '@group(0) @binding(1) var<storage, read> weight: array<vec4f>;'}
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dst: array<${target}>;

const NOWHERE = 0xffffffffu;

fn pair(packed: u32) -> vec2i { return vec2i(i32(packed & 0xffffu), i32(packed >> 16u)); }

fn activated(value: vec4f) -> vec4f { return select(params.slope * value, value, value > vec4f(0.0)); }

// How a group of destination pixels walks over the source: taps firstTap, firstTap + tapStep, …, the j-th of which reads
// the source at the row's start + j · advance.
struct Walk { group: u32, phases: vec2i, phase: vec2i, firstTap: vec2i, tapStep: vec2i, advance: vec2i, first: vec2i, step: vec2i }

fn walkOf(z: u32) -> Walk {
  let stride = pair(params.stride);
  let padding = pair(params.padding);
  let dilation = pair(params.dilation);
  let backward = params.transposed == 1u;
  let phases = select(vec2i(1), stride, backward);
  let index = i32(z) % (phases.x * phases.y);
  let phase = vec2i(index / phases.y, index % phases.y);
  let firstTap = select(vec2i(0), (phase + padding) % stride, backward);
  let first = select(-padding, (phase + padding - firstTap) / stride, backward);
  return Walk(
    z / u32(phases.x * phases.y), phases, phase, firstTap, phases, select(dilation, -dilation, backward), first,
    select(stride, vec2i(1), backward),
  );
}

// What is known of one destination pixel: where its window starts in the source, its picture's first line there, and
// where its result goes.
struct Row { start: vec2i, picture: i32, out: u32 }

${pooled ? pooledRowAt : rowAt}`;

/**
 * Statements: whether pixel `g` of an invocation, at the tap `offset` from its start, meets the source, and where.
 * They declare hit and at with `let `, else set variables.
 */
export const meetSource = (g: number, offset: string, declare: 'let ' | '' = ''): string =>
  `let p${g} = row${g}.start + ${offset};
      ${declare}hit${g} = all(p${g} >= vec2i(0)) && all(p${g} < size);
      ${declare}at${g} = select(0u, u32((row${g}.picture + p${g}.x) * size.y + p${g}.y) * params.srcC + firstDepth, hit${g});`;

type Params = ConvGeometry;

/** Channels come by fours: one group is padded where need be, several must fit. */
export const channelsFit = (p: Params): boolean =>
  p.groups === 1 || ((p.cin / p.groups) % 4 === 0 && (p.cout / p.groups) % 4 === 0);

const phasesOf = (p: Params, transposed: boolean): number => (transposed ? p.strideY * p.strideX : 1);

const workOf = (p: Params): number => p.batch * p.oh * p.ow * p.kh * p.kw * (p.cin / p.groups) * p.cout;

/** Which way a rung goes: the convolution, its input gradient, or the convolution with a pooling of 2 × 2 behind it. */
export type Direction = 'forward' | 'transposed' | 'pooled';

/** Windows of a pooling of 2 × 2, side by side. */
export const pooledSize = ({ oh, ow }: Pick<Params, 'oh' | 'ow'>): { h: number; w: number } => ({
  h: Math.floor(oh / 2),
  w: Math.floor(ow / 2),
});

/** Destination pixels of one phase, over the batch. */
const pixels = (p: Params, direction: Direction): number => {
  const { h, w } = pooledSize(p);
  if (direction === 'pooled') return p.batch * 4 * h * w;
  return direction === 'transposed'
    ? p.batch * Math.ceil(p.h / p.strideY) * Math.ceil(p.w / p.strideX)
    : p.batch * p.oh * p.ow;
};

/** Destination pixels × columns, `count` times, each a sum over k. */
export interface GatherSize {
  readonly pixels: number;
  readonly columns: number;
  readonly count: number;
  readonly k: number;
  /** How the source is read in vec4. */
  readonly src: Via;
  /** Channels of a source pixel. */
  readonly depth: number;
  /** Multiply-adds. */
  readonly work: number;
}

/** What a rung of the gather kernels says of itself. */
export interface GatherRung {
  readonly name: string;
  readonly adds: string;
  readonly family?: DeviceTraits['family'];
  readonly supports: (traits: DeviceTraits, p: Params) => boolean;
  readonly suits: (products: number, traits: DeviceTraits, depth: number, columns: number) => boolean;
  /** Tile space; `rows` and `columns` of a tile fix the grid. */
  readonly tiles: (size: GatherSize, traits: DeviceTraits) => readonly Constants[];
  /** Where the rung splits k: its text finds the number of parts in the upper half of `panels`, and writes them one after the other. */
  readonly parts?: (workgroups: number, k: number, tile: Constants) => Parts;
  readonly source: (tile: Constants, channels: Channels, reads: Reads) => WgslSource;
  readonly shape: (tile: Constants) => { readonly rows: number; readonly columns: number };
  /** It takes few or odd channels as they are, and panels as wide as its tile. */
  readonly narrow?: true;
  /** Its text reads weights as they stand, too. */
  readonly natural?: true;
  /** Rounds its operands to halves: their scales (kernels/half/half.ts) come first. */
  readonly half?: boolean;
}

/** Channels of one group as a narrow rung meets them. */
export interface Channels {
  /** 1, 2 or 3: so many numbers; 0: in vec4, padded where need be. */
  readonly depth: number;
  /** Of so few, each pixel's come in a vec4 all the same. */
  readonly padded: boolean;
  /** Of the destination: not a multiple of 4, so they are stored one by one. */
  readonly odd: boolean;
  /** The largest of each 2 × 2 is stored, and its place. */
  readonly pooled: boolean;
  /** Weights come as they stand, [tap][destination channel][source channel]: four of the source's are one vec4. */
  readonly rows: boolean;
}

/**
 * Multiply-adds up to which weights are read as they stand: arranging them is a dispatch of 50 µs and more, and saves some
 * 4 % of a product, whose loads then come line after line (llvmpipe: 64@56, batch 8, 20.0 ms and 21.0; 64@16, batch 2,
 * 0.44 ms and 0.40).
 */
const NATURAL_WORK = 2 ** 27;

/** The rung under the names of one of the three declarations. */
export function gatherVariant(rung: GatherRung, direction: Direction): Variant<ConvParam> {
  const transposed = direction === 'transposed';
  const pooled = direction === 'pooled';
  const [src, dst] = transposed ? ['y', 'x'] : ['x', pooled ? 'out' : 'y'];
  const sizes = (p: Params, tile: Constants = {}) => {
    const [k, columns] = transposed ? [p.cout, p.cin] : [p.cin, p.cout];
    const few = rung.narrow === true && p.groups === 1 && k < 4;
    const panel = rung.narrow ? rung.shape(tile).columns : PANEL;
    const odd = columns % 4 !== 0;
    const natural = tile.natural === 1;
    const padded = few && tile.padded === 1;
    const channels = { depth: few ? k : 0, padded, odd, pooled, rows: natural && transposed };
    const to = pooled ? pooledSize(p) : transposed ? { h: p.h, w: p.w } : { h: p.oh, w: p.ow };
    return {
      k,
      columns,
      channels,
      panel,
      depth: few ? k : ceil4(k / p.groups),
      padSource: k % 4 !== 0 && (!few || padded),
      padTarget: !rung.narrow && odd,
      source: { matrices: 1, rows: p.batch * (transposed ? p.oh * p.ow : p.h * p.w), columns: k },
      target: { matrices: 1, rows: p.batch * to.h * to.w, columns },
      to,
      taps: p.kh * p.kw,
      panels: Math.ceil(columns / p.groups / panel),
      natural,
      // One panel as wide as the weights is what they are.
      asTheyStand:
        natural || (!transposed && !rung.half && p.groups === 1 && panel === columns && (few || k % 4 === 0)),
    };
  };
  /** Source and arranged weights as the product binds them. */
  const operands = (p: Params): [Operand, Operand] => {
    const { k, source, taps, panels } = sizes(p);
    return [
      { name: k % 4 !== 0 ? 'srcPadded' : src, count: source.rows * ceil4(k) },
      { name: 'arranged', count: PANEL * p.groups * panels * taps * ceil4(k / p.groups) },
    ];
  };
  const count = (p: Params) => p.groups * phasesOf(p, transposed);
  /** Of each sum; transposed with a stride, of the phase that most taps hit. */
  const depthOf = (p: Params): number => {
    const [strideY, strideX] = transposed ? [p.strideY, p.strideX] : [1, 1];
    return Math.ceil(p.kh / strideY) * Math.ceil(p.kw / strideX) * sizes(p).depth;
  };
  const grid = (p: Params, tile: Constants) => {
    const shape = rung.shape(tile);
    return {
      x: Math.ceil(pixels(p, direction) / shape.rows),
      y: Math.ceil(sizes(p).columns / p.groups / shape.columns),
      z: count(p),
    };
  };
  const splitOf = (p: Params, tile: Constants): Parts => {
    const { x, y, z } = grid(p, tile);
    return rung.parts?.(x * y * z, depthOf(p), tile) ?? { part: depthOf(p), parts: 1 };
  };
  const readsOf = (p: Params, traits: DeviceTraits, tile: Constants): Reads => {
    const { k, depth, panel, source, taps, panels } = sizes(p, tile);
    const { x, y } = grid(p, tile);
    const overlap = taps / (transposed ? 1 : p.strideY * p.strideX);
    return {
      src: viaFor(traits, 4 * source.rows * ceil4(k), overlap * y),
      weight: viaFor(traits, 4 * panel * p.groups * panels * taps * depth, x),
    };
  };
  /** Each with weights as they stand or arranged, whichever should be faster; the first of them with the other, too. */
  const withWeights = (p: Params, tiles: readonly Constants[]): readonly Constants[] => {
    const { k, columns, channels } = sizes(p, { columns: PANEL });
    const few = channels.depth > 0;
    const can = p.groups === 1 && (few || k % 4 === 0) && (rung.narrow && transposed ? !few : columns % 4 === 0);
    if (!rung.natural || !can) return tiles;
    // Turned, and of few columns, a lane's weights are one load either way.
    const best = Number((rung.narrow && transposed) || workOf(p) <= NATURAL_WORK);
    return [best, 1 - best].flatMap((natural, i) => tiles.slice(0, i ? 1 : undefined).map((t) => ({ ...t, natural })));
  };
  /** Those whose grid is within what WebGPU allows. */
  const tiles = (p: Params, traits: DeviceTraits) => {
    const columns = sizes(p).columns / p.groups;
    // Of the vec4 rung, whose tiles all have the same columns.
    const { src } = readsOf(p, traits, { columns: PANEL });
    const size = {
      ...{ pixels: pixels(p, direction), columns, count: count(p), k: depthOf(p), src },
      ...{ depth: sizes(p).k / p.groups, work: workOf(p) },
    };
    return withWeights(p, rung.tiles(size, traits)).filter((tile) => grid(p, tile).x <= 65_535);
  };
  return {
    name: rung.name,
    adds: rung.adds,
    ...(rung.family && { family: rung.family }),
    supports: (p, traits) =>
      rung.supports(traits, p) &&
      channelsFit(p) &&
      (!pooled || (p.cout % 4 === 0 && isSlopeOnly(p.activation) && pixels(p, direction) > 0)) &&
      tiles(p, traits).length > 0 &&
      count(p) <= 65_535 &&
      (!transposed || ((p.strideY === 1 || p.dilationY === 1) && (p.strideX === 1 || p.dilationX === 1))),
    suits: (p, traits) => {
      const { k, columns } = sizes(p, { columns: PANEL });
      return rung.suits(workOf(p), traits, k / p.groups, columns / p.groups);
    },
    tiles,
    scratch: (p, tile) => {
      const { k, columns, depth, padSource, padTarget, panel, source, target, taps, panels, asTheyStand } = sizes(
        p,
        tile,
      );
      return {
        ...(padSource && { srcPadded: 4 * source.rows * ceil4(k) }),
        ...(padTarget && { dstPadded: 4 * target.rows * ceil4(columns) }),
        ...(!asTheyStand && { arranged: 4 * panel * p.groups * panels * taps * depth }),
        ...partBytes(splitOf(p, tile), target.rows * ceil4(columns)),
        ...(rung.half && scaleScratch(...operands(p))),
      };
    },
    passes: (p, tile, traits) => {
      const own = sizes(p, tile);
      const { k, columns, channels, depth, padSource, padTarget, panel, source, target, to, taps, panels } = own;
      const [k4, columns4] = [ceil4(k), ceil4(columns)];
      const unit = channels.odd && !padTarget ? 1 : 4;
      const { x, y, z } = grid(p, tile);
      const split = splitOf(p, tile);
      const whole = padTarget ? 'dstPadded' : dst;
      // Split, the activation comes after the sum.
      const inTile = split.parts === 1 && isSlopeOnly(p.activation);
      const passes: Pass[] = [];
      if (padSource) passes.push(repitch(src, 'srcPadded', { ...source, toRows: source.rows, toColumns: k4 }, traits));
      if (!own.asTheyStand) {
        const byFours = (p.cout / p.groups) % 4 === 0;
        passes.push({
          source: wgsl(import.meta.url, 'arrange-weights.wgsl'),
          constants: { TRANSPOSED: transposed, PANEL: panel, WHOLE: byFours, Weights: byFours ? 'vec4f' : 'f32' },
          params: { taps, depth, panels },
          workgroups: [Math.ceil((taps * Math.ceil(depth / 4) * panel) / 128), p.groups * panels],
        });
      }
      if (rung.half) passes.push(...scalePasses(...operands(p)));
      passes.push({
        source: rung.source(tile, channels, readsOf(p, traits, tile)),
        bind: {
          src: padSource ? 'srcPadded' : src,
          dst: split.parts > 1 ? 'partials' : whole,
          weight: own.asTheyStand ? 'weight' : 'arranged',
        },
        params: {
          ...packed(p),
          srcH: transposed ? p.oh : p.h,
          srcW: transposed ? p.ow : p.w,
          srcC: (!channels.padded && channels.depth) || k4 / 4,
          dstH: to.h,
          dstW: to.w,
          dstC: unit === 1 ? columns : columns4 / 4,
          depth: channels.depth ? 1 : k4 / 4 / p.groups,
          columns: unit === 1 ? columns : columns4 / 4 / p.groups,
          panels: own.natural ? 0 : panels + (rung.parts ? 65_536 * split.parts : 0),
          transposed: Number(transposed),
          slope: inTile ? p.slope : 1,
        },
        workgroups: [x, y, z * split.parts],
      });
      passes.push(...sumParts(split, target.rows * columns4, whole, traits));
      if (padTarget) {
        passes.push(
          repitch('dstPadded', dst, { ...target, columns: columns4, toRows: target.rows, toColumns: columns }, traits),
        );
      }
      if (!inTile && p.activation !== 0) {
        passes.push({ ...activationPass(p.activation, target.rows * columns, traits), bind: { out: dst } });
      }
      return passes;
    },
  };
}
