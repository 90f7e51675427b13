import { hasLanes } from '../common/lanes.ts';
import { VEC4 } from '../common/value.ts';
import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import {
  type DeviceTraits,
  foldWorkgroups,
  generated,
  type Pass,
  type Variant,
  type WgslSource,
  wgsl,
  workgroupsFor,
} from '../kernel.ts';
import { range } from '../matmul/lane-tile.ts';
import { slopeByResult } from '../pool/geometry.ts';
import { pooledSize } from './gather.ts';
import { type ConvGeometry, type ConvParam, packed } from './geometry.ts';

/**
 * Convolution of few input channels: a lane holds four blocks of 2 × 2 windows side by side, whose inputs overlap. They are
 * read once and stay in registers for all output channels, which come in vec4, one after the other; weights reach the lanes
 * by broadcast. Each sum is in the order of `narrow`, tap by tap, and the same bits.
 */

/** Blocks of a lane, side by side: 40 numbers of a 3 × 3 window's channel serve 16 windows, where one block would take 16 for 4 (1 → 16@28: 0.45 ms, 0.64). */
const BLOCKS = 4;

/** Lanes of a subgroup. */
const LANES = 8;

const each = <T>(items: readonly T[], indent: string, text: (item: T, i: number) => string): string =>
  items.map((item, i) => indent + text(item, i)).join('\n');

/** The sizes that the text is made for. */
interface BlockWindow {
  readonly kh: number;
  readonly kw: number;
  readonly cin: number;
}

/** (tap, input channel) pairs: rows of the weights. */
const rowsOf = ({ kh, kw, cin }: BlockWindow) =>
  range(kh * kw * cin).map((r) => {
    const tap = Math.floor(r / cin);
    return { r, ky: Math.floor(tap / kw), kx: tap % kw, ci: r % cin };
  });

/** Statements: the numbers that `blocks` blocks from (top, left) of picture n see, zeros outside. */
const blockInputs = ({ kh, kw, cin }: BlockWindow, blocks: number): string => {
  const [down, across] = [range(kh + 1), range(kw + 2 * blocks - 1)];
  return `${each(down, '  ', (r) => `let inRow${r} = exists && u32(top + ${r}) < params.h; let line${r} = i32(n * params.h) + top + ${r};`)}
${each(across, '  ', (j) => `let inColumn${j} = u32(left + ${j}) < params.w;`)}
${down
  .flatMap((r) =>
    across.flatMap((j) =>
      range(cin).map(
        (ci) =>
          `  let x${r}_${j}_${ci} = number((line${r} * i32(params.w) + left + ${j}) * ${cin} + ${ci}, inRow${r} && inColumn${j});`,
      ),
    ),
  )
  .join('\n')}`;
};

const header = `requires immediate_address_space;
enable subgroups;
`;

const readX = `@group(0) @binding(0) var<storage, read> x: array<f32>;

fn number(at: i32, hit: bool) -> f32 { return select(0.0, x[select(0u, u32(at), hit)], hit); }
`;

function forwardText(window: BlockWindow, pooled: boolean): string {
  const rows = rowsOf(window);
  const loads = range(Math.ceil(rows.length / LANES));
  const positions = range(BLOCKS).flatMap((b) => range(4).map((p) => ({ b, y: p >> 1, x: p & 1, name: `c${b}_${p}` })));
  const { kh, kw, cin } = window;
  return `// ${pooled ? 'conv2dMaxPool' : 'conv2d'} of a window of ${kh} × ${kw} over ${cin} channels at stride 1: a lane holds ${BLOCKS} blocks of 2 × 2 windows side by side, whose inputs
// it reads once for all output channels${pooled ? ', and stores the largest of each block and its place' : ''}. Weights reach the lanes by broadcast.
${header}
struct Params { lines: u32, h: u32, w: u32, oh: u32, ow: u32, columns: u32, padding: u32, chunks: u32, slope: f32 }
var<immediate> params: Params;

${readX}
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
${
  pooled
    ? `@group(0) @binding(4) var<storage, read_write> taps: array<u32>;

// #include "../pool/best-of-four.wgsl"
`
    : ''
}
fn activated(value: vec4f) -> vec4f { return select(params.slope * value, value, value > vec4f(0.0)); }

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * ${LANES}u + lane;
  // Blocks in lines, each line of a picture in chunks of ${BLOCKS}.
  let line = index / params.chunks;
  let exists = line < params.lines;
  let down = ${pooled ? 'params.oh / 2u' : '(params.oh + 1u) / 2u'};
  let n = line / down;
  let firstY = 2u * (line - n * down);
  let firstX = ${2 * BLOCKS}u * (index - line * params.chunks);
  let top = i32(firstY) - i32(params.padding & 0xffffu);
  let left = i32(firstX) - i32(params.padding >> 16u);
${blockInputs(window, BLOCKS)}
${
  pooled
    ? `  let across = params.ow / 2u;
  let at = (line * across + firstX / 2u) * params.columns;`
    : '  let at = ((n * params.oh + firstY) * params.ow + firstX) * params.columns;'
}
  for (var c = 0u; c < params.columns; c++) {
${each(loads, '    ', (q) => `let b${q} = weight[min(${LANES * q}u + lane, ${rows.length - 1}u) * params.columns + c];`)}
    let start = bias[c];
${each(positions, '    ', ({ name }) => `var ${name} = vec4f(0.0);`)}
${each(
  rows,
  '    ',
  ({ r, ky, kx, ci }) => `{
      let w = subgroupBroadcast(b${r >> 3}, ${r & 7}u);
${each(positions, '      ', ({ b, y, x, name }) => `${name} += x${y + ky}_${2 * b + x + kx}_${ci} * w;`)}
    }`,
)}
${
  pooled
    ? each(
        range(BLOCKS),
        '    ',
        (b) => `if (exists && firstX / 2u + ${b}u < across) {
      let best = bestOfFour(c${b}_0 + start, c${b}_1 + start, c${b}_2 + start, c${b}_3 + start, params.slope);
      out[at + ${b}u * params.columns + c] = activated(best.value);
      taps[at + ${b}u * params.columns + c] = best.taps;
    }`,
      )
    : each(
        positions,
        '    ',
        ({ b, y, x, name }) =>
          `if (exists && firstY + ${y}u < params.oh && firstX + ${2 * b + x}u < params.ow) { out[at + (${y}u * params.ow + ${2 * b + x}u) * params.columns + c] = activated(${name} + start); }`,
      )
}
  }
}
`;
}

/** Lanes' worth of blocks in a line of windows, and workgroups' worth of lanes in all. */
function blockGrid(batch: number, down: number, across: number) {
  const chunks = Math.ceil(across / BLOCKS);
  const lines = batch * down;
  return { chunks, lines, workgroups: Math.ceil((lines * chunks) / LANES) };
}

const blocksSource = (window: BlockWindow, pooled: boolean): WgslSource =>
  generated(import.meta.url, `conv/blocks-${window.kh}x${window.kw}x${window.cin}${pooled ? '-pooled' : ''}`, () =>
    forwardText(window, pooled),
  );

type Params = ConvGeometry;

/** (tap, input channel) pairs whose inputs and products a pipeline may hold. */
const MOST_ROWS = 32;

const windowOf = ({ kh, kw, cin }: Params): BlockWindow => ({ kh, kw, cin });

const supports = (p: Params, traits: DeviceTraits): boolean =>
  hasLanes(traits) &&
  p.groups * p.strideY * p.strideX * p.dilationY * p.dilationX === 1 &&
  p.cout % 4 === 0 &&
  p.kh * p.kw * p.cin <= MOST_ROWS &&
  p.batch * p.h * p.w * p.cin < 2 ** 31;

/** What another rung pads to four channels, or meets tap by tap. */
const suits = (p: Params): boolean => p.cin < 4 && p.batch * p.oh * p.ow * p.kh * p.kw * p.cin * p.cout >= 16_384;

const variant = (pooled: boolean): Variant<ConvParam> => ({
  name: 'blocks',
  adds: 'few input channels, read once for 16 windows and all output channels (1 → 16@28, batch 64: 1.1 ms → 0.7; 3 → 64@100, batch 32: 30 ms → 24)',
  supports: (p, traits) => supports(p, traits) && (!pooled || (isSlopeOnly(p.activation) && p.oh > 1 && p.ow > 1)),
  suits,
  passes: (p, _tile, traits) => {
    const size = pooled ? pooledSize(p) : { h: Math.ceil(p.oh / 2), w: Math.ceil(p.ow / 2) };
    const { chunks, lines, workgroups } = blockGrid(p.batch, size.h, size.w);
    const slopeOnly = isSlopeOnly(p.activation);
    return [
      {
        source: blocksSource(windowOf(p), pooled),
        bind: { out: pooled ? 'out' : 'y' },
        params: {
          ...{ lines, chunks, columns: p.cout / 4, padding: packed(p).padding },
          slope: slopeOnly ? p.slope : 1,
        },
        workgroups: foldWorkgroups(workgroups),
      },
      ...(slopeOnly
        ? []
        : [{ ...activationPass(p.activation, p.batch * p.oh * p.ow * p.cout, traits), bind: { out: 'y' } }]),
    ];
  },
});

export const blocksConv2d = variant(false);
export const blocksConv2dMaxPool = variant(true);

/** Vectors of four output channels of a tile of the weight gradient. */
const VECTORS = 2;
/** Sums of (tap, input channel) pairs that it holds beside them, spilled or not. */
const MOST_SUMS = 16;
/** Windows of a part: sums short enough to stay exact, parts enough for all cores. */
const PART = 256;

function weightGradientText(window: BlockWindow, sloped: boolean): string {
  const rows = rowsOf(window);
  const vectors = range(VECTORS);
  const { kh, kw, cin } = window;
  const sums = rows.flatMap(({ r }) => vectors.map((v) => ({ r, v, name: `c${r}_${v}` })));
  return `// conv2dMaxPoolWeightGradient of a window of ${kh} × ${kw} over ${cin} channels at stride 1: partials[part][tap, ci][co] = Σ x[pixel of the
// window's largest and tap, ci] · f′ · gradient[window, co] over the part's own 2 × 2 windows, and after them, of the bias, Σ f′ · gradient.
// The lanes hold windows, whose inputs are read once, and every one the sums of all (tap, ci) and ${4 * VECTORS} co; they are added over
// the lanes at the end, in a fixed order.
${header}
struct Params { h: u32, w: u32, oh: u32, ow: u32, columns: u32, padding: u32, windows: u32, part: u32, slope: f32 }
var<immediate> params: Params;

${readX}
@group(0) @binding(1) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read> taps: array<u32>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;
${sloped ? '@group(0) @binding(4) var<storage, read> result: array<vec4f>;' : ''}

// #include "../common/value.wgsl"
// #include "../common/over-lanes.wgsl"

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let down = params.oh / 2u;
  let across = params.ow / 2u;
  let begin = wid.x * params.part;
  let end = min(begin + params.part, params.windows);
${each(vectors, '  ', (v) => `let column${v} = min(wid.y * ${VECTORS}u + ${v}u, params.columns - 1u); var bias${v} = vec4f(0.0);`)}
${each(sums, '  ', ({ name }) => `var ${name} = vec4f(0.0);`)}
  for (var step = begin; step < end; step += ${LANES}u) {
    let i = step + lane;
    let exists = i < end;
    let line = i / across;
    let n = line / down;
    let top = 2 * i32(line - n * down) - i32(params.padding & 0xffffu);
    let left = 2 * i32(i - line * across) - i32(params.padding >> 16u);
${blockInputs(window, 1).replaceAll(/^/gm, '  ')}
    let first = select(0u, i * params.columns, exists);
${each(
  vectors,
  '    ',
  (v) => `{
      let at = first + column${v};
      let tap = (vec4u(taps[at]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
      let own = select(vec4f(0.0), gradient[at], exists);
      let g = ${sloped ? 'select(params.slope * own, own, result[at] > vec4f(0.0))' : 'own'};
      bias${v} += ${sloped ? 'g' : 'select(g, vec4f(0.0), tap > vec4u(3u))'};
${each([0, 1, 2, 3], '      ', (p) => `let y${p} = select(vec4f(0.0), g, tap == vec4u(${p}u));`)}
${each(
  rows,
  '      ',
  ({ r, ky, kx, ci }) =>
    `c${r}_${v} = c${r}_${v}${[0, 1, 2, 3].map((p) => ` + x${ky + (p >> 1)}_${kx + (p & 1)}_${ci} * y${p}`).join('')};`,
)}
    }`,
)}
  }
  let outAt = wid.x * ${rows.length + 1}u * params.columns;
${each(
  [...sums, ...vectors.map((v) => ({ r: rows.length, v, name: `bias${v}` }))],
  '  ',
  ({ r, v, name }) =>
    `{ let sum = overLanes(${name}); if (lane == ${(r * VECTORS + v) % LANES}u && wid.y * ${VECTORS}u + ${v}u < params.columns) { partials[outAt + ${r}u * params.columns + column${v}] = sum; } }`,
)}
}
`;
}

const partsOf = (p: Params) => {
  const { h, w } = pooledSize(p);
  const windows = p.batch * h * w;
  // Whole steps, and parts of one size for the cores to finish together.
  const parts = Math.ceil(windows / PART);
  const part = Math.ceil(windows / parts / LANES) * LANES;
  return { windows, part, parts: Math.ceil(windows / part), size: (p.kh * p.kw * p.cin + 1) * p.cout };
};

export const blocksConv2dMaxPoolWeightGradient: Variant<ConvParam> = {
  name: 'blocks',
  adds: 'few input channels: the gradient of what was pooled is never in memory, the bias comes along',
  supports: (p, traits) =>
    supports(p, traits) &&
    p.kh * p.kw * p.cin <= MOST_SUMS &&
    p.oh > 1 &&
    p.ow > 1 &&
    partsOf(p).parts <= 65_535 &&
    p.cout <= 65_535,
  suits,
  scratch: (p) => {
    const { parts, size } = partsOf(p);
    return { partials: 4 * parts * size };
  },
  passes: (p) => {
    const { windows, part, parts, size } = partsOf(p);
    const [window, sloped] = [windowOf(p), slopeByResult(p)];
    const passes: Pass[] = [
      {
        source: generated(
          import.meta.url,
          `conv/blocks-weight-gradient-${p.kh}x${p.kw}x${p.cin}${sloped ? '-sloped' : ''}`,
          () => weightGradientText(window, sloped),
        ),
        constants: VEC4,
        params: { columns: p.cout / 4, padding: packed(p).padding, windows, part },
        workgroups: [parts, Math.ceil(p.cout / (4 * VECTORS))],
      },
      {
        source: wgsl(import.meta.url, 'sum-weight-and-bias.wgsl'),
        params: { parts, size, weights: size - p.cout },
        workgroups: workgroupsFor(size, 4 * LANES),
      },
    ];
    return passes;
  },
};
