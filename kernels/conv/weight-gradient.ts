import { ceil4, repitch } from '../common/repitch.ts';
import { type Via, vec4Input, viaFor } from '../common/vec4-input.ts';
import { type Operand, scalePasses, scaleScratch } from '../half/half.ts';
import type { Constants, DeviceTraits, Pass, Variant, WgslSource } from '../kernel.ts';
import { type Parts, partBytes, sumParts } from '../reduce/sum-partials.ts';
import { channelsFit } from './gather.ts';
import { type ConvGeometry, type ConvParam, packed } from './geometry.ts';

/** How a rung that reads vec4 finds them. */
export interface Reads {
  readonly x: Via;
  readonly y: Via;
}

/** Rows (tap, input channel) of a weight gradient; uses `window`, `dilation`, `padding` and `depth` of the parameters. */
export const rowsText = `fn pair(packed: u32) -> vec2i { return vec2i(i32(packed & 0xffffu), i32(packed >> 16u)); }

// Four neighbouring rows: a tap, as its window's offset, and four input channels.
struct Rows { offset: vec2i, channel: u32 }

fn rowsAt(row4: u32, group: u32) -> Rows {
  let window = pair(params.window);
  let last = u32(window.x * window.y) * params.depth - 1u;
  let r = min(row4, last);
  let tap = i32(r / params.depth);
  let offset = vec2i(tap / window.y, tap % window.y) * pair(params.dilation) - pair(params.padding);
  return Rows(offset, group * params.depth + r % params.depth);
}

fn rowCount() -> u32 {
  let window = pair(params.window);
  return u32(window.x * window.y) * params.depth * 4u;
}
`;

/** What the weight-gradient kernels share: bindings, and rows (tap, input channel) by columns (output channel). */
export const weightGradientText = weightGradientTextOf(undefined);

/** How the GPU rungs walk over windows: a division costs a few dozen instructions there, so only the first is paid for. */
export const windowText = `
struct Window { n: i32, y: i32, x: i32 }

fn windowAt(index: u32) -> Window {
  let line = i32(index / params.ow);
  return Window(line / i32(params.oh), line % i32(params.oh), i32(index % params.ow));
}

fn onwards(window: Window, by: i32) -> Window {
  var w = window;
  w.x += by;
  while (w.x >= i32(params.ow)) {
    w.x -= i32(params.ow);
    w.y++;
    if (w.y == i32(params.oh)) {
      w.y = 0;
      w.n++;
    }
  }
  return w;
}

// Four channels of the pixel that a window shows to rows; zeros outside the picture.
fn pixelOf(window: Window, rows: Rows) -> vec4f {
  let p = vec2i(window.y, window.x) * pair(params.stride) + rows.offset;
  if (any(p < vec2i(0)) || p.x >= i32(params.h) || p.y >= i32(params.w)) { return vec4f(0.0); }
  return x[u32((window.n * i32(params.h) + p.x) * i32(params.w) + p.y) * params.srcC + rows.channel];
}
`;

/** The same with operands that are read by loadX and loadY. */
export function weightGradientTextOf(reads: Reads | undefined): string {
  return `
struct Params {
  h: u32, w: u32, srcC: u32,
  oh: u32, ow: u32, dstC: u32,
  depth: u32, columns: u32,
  window: u32, stride: u32, padding: u32, dilation: u32,
  batch: u32, part: u32, parts: u32,
}
var<immediate> params: Params;

${reads ? vec4Input(0, 'x', reads.x) : '@group(0) @binding(0) var<storage, read> x: array<vec4f>;'}
${reads ? vec4Input(1, 'y', reads.y) : '@group(0) @binding(1) var<storage, read> y: array<vec4f>;'}
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

${rowsText}`;
}

type Params = ConvGeometry;

/** Without a window to slide, all pixels are one long line: no masked steps at its ends. */
const flattened = (p: Params): Params =>
  p.kh * p.kw * p.strideY * p.strideX === 1 && p.paddingY + p.paddingX === 0
    ? { ...p, batch: 1, h: 1, oh: 1, w: p.batch * p.h * p.w, ow: p.batch * p.h * p.w }
    : p;

/** How a rung cuts the work: its tile, and the parts of the sum in its own unit (lines, windows). */
export interface WeightGradientRung {
  readonly name: string;
  readonly adds: string;
  readonly family?: DeviceTraits['family'];
  readonly supports: (traits: DeviceTraits, p: Params) => boolean;
  /** `columns`: output channels of a group. */
  readonly suits: (products: number, traits: DeviceTraits, columns: number) => boolean;
  /** Tile space for rows × columns of so many groups, each a sum over `windows`; `reads`: how a tile's operands are read. */
  readonly tiles?: (
    rows: number,
    columns: number,
    groups: number,
    traits: DeviceTraits,
    windows: number,
    reads: (tile: Constants) => Reads,
  ) => readonly Constants[];
  readonly shape: (tile: Constants) => { readonly rows: number; readonly columns: number };
  readonly source: (tile: Constants, reads: Reads, p: Params) => WgslSource;
  readonly parts: (p: Params, tiles: number, tile: Constants) => Parts;
  /** Rounds its operands to halves: their scales (kernels/half/half.ts) come first. */
  readonly half?: boolean;
}

export function weightGradientVariant(rung: WeightGradientRung): Variant<ConvParam> {
  const sizesOf = (given: Params, tile: Constants) => {
    const p = flattened(given);
    const [cin, cout] = [ceil4(p.cin), ceil4(p.cout)];
    const rows = p.kh * p.kw * (cin / p.groups);
    const shape = rung.shape(tile);
    const grid = [Math.ceil(rows / shape.rows), Math.ceil(cout / p.groups / shape.columns)];
    const split = rung.parts(p, grid[0] * grid[1] * p.groups, tile);
    const positions = p.batch * p.oh * p.ow;
    const operands: [Operand, Operand] = [
      { name: cin !== p.cin ? 'xPadded' : 'x', count: p.batch * p.h * p.w * cin },
      { name: cout !== p.cout ? 'yPadded' : 'y', count: positions * cout },
    ];
    return { p, cin, cout, rows, grid, positions, operands, split };
  };
  const readsOf = (given: Params, tile: Constants, traits: DeviceTraits): Reads => {
    const { p, cin, cout, grid, positions } = sizesOf(given, tile);
    const overlap = (p.kh * p.kw) / (p.strideY * p.strideX);
    return {
      x: viaFor(traits, 4 * p.batch * p.h * p.w * cin, overlap * grid[1]),
      y: viaFor(traits, 4 * positions * cout, grid[0]),
    };
  };
  const { tiles } = rung;
  return {
    name: rung.name,
    adds: rung.adds,
    ...(rung.family && { family: rung.family }),
    supports: (p, traits) =>
      rung.supports(traits, p) && channelsFit(p) && p.groups * 64 <= 65_535 && p.kh * p.kw * p.cin <= 65_535 * 32,
    suits: (p, traits) => {
      const products = p.batch * p.oh * p.ow * p.kh * p.kw * (p.cin / p.groups) * p.cout;
      return rung.suits(products, traits, p.cout / p.groups);
    },
    ...(tiles && {
      tiles: (p, traits) => {
        const rows = (p.kh * p.kw * ceil4(p.cin)) / p.groups;
        const reads = (tile: Constants) => readsOf(p, tile, traits);
        return tiles(rows, p.cout / p.groups, p.groups, traits, p.batch * p.oh * p.ow, reads);
      },
    }),
    scratch: (given, tile) => {
      const { p, cin, cout, rows, positions, operands, split } = sizesOf(given, tile);
      const padded = cin !== p.cin || cout !== p.cout;
      return {
        ...(cin !== p.cin && { xPadded: 4 * p.batch * p.h * p.w * cin }),
        ...(cout !== p.cout && { yPadded: 4 * positions * cout }),
        ...partBytes(split, rows * cout),
        ...(padded && { weightPadded: 4 * rows * cout }),
        ...(rung.half && scaleScratch(...operands)),
      };
    },
    passes: (given, tile, traits) => {
      const { p, cin, cout, rows, grid, positions, operands, split } = sizesOf(given, tile);
      const { part, parts } = split;
      const passes: Pass[] = [];
      const pixels = p.batch * p.h * p.w;
      if (cin !== p.cin) {
        const sizes = { matrices: 1, rows: pixels, columns: p.cin, toRows: pixels, toColumns: cin };
        passes.push(repitch('x', 'xPadded', sizes, traits));
      }
      if (cout !== p.cout) {
        const sizes = { matrices: 1, rows: positions, columns: p.cout, toRows: positions, toColumns: cout };
        passes.push(repitch('y', 'yPadded', sizes, traits));
      }
      const padded = cin !== p.cin || cout !== p.cout;
      const whole = padded ? 'weightPadded' : 'weight';
      if (rung.half) passes.push(...scalePasses(...operands));
      const reads = readsOf(given, tile, traits);
      passes.push({
        source: rung.source(tile, reads, p),
        bind: {
          ...(cin !== p.cin && { x: 'xPadded' }),
          ...(cout !== p.cout && { y: 'yPadded' }),
          out: parts > 1 ? 'partials' : whole,
        },
        params: {
          ...packed(p),
          srcC: cin / 4,
          dstC: cout / 4,
          depth: cin / 4 / p.groups,
          columns: cout / 4 / p.groups,
          batch: p.batch,
          h: p.h,
          w: p.w,
          oh: p.oh,
          ow: p.ow,
          part,
          parts,
        },
        workgroups: [grid[0], grid[1], p.groups * parts],
      });
      passes.push(...sumParts(split, rows * cout, whole, traits));
      if (padded) {
        passes.push(
          repitch(
            'weightPadded',
            'weight',
            {
              matrices: p.kh * p.kw,
              rows: cin / p.groups,
              columns: cout,
              toRows: p.cin / p.groups,
              toColumns: p.cout,
            },
            traits,
          ),
        );
      }
      return passes;
    },
  };
}
