import { requiresTextures, type Via, vec4Input, viaFor } from '../common/vec4-input.ts';
import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { type DeviceTraits, generated, type Pass, type Variant, workgroupsFor } from '../kernel.ts';
import { lines, range } from '../matmul/lane-tile.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import { isDepthwise, partsOf } from './depthwise.ts';
import type { ConvParam } from './geometry.ts';

type Params = Readonly<Record<ConvParam, number>>;

/** Neighbouring pixels of a line, which one invocation takes with what they have in common: 10 loads of a line of taps for 8. */
const STRIP = 8;

/** Taps that still fit registers, as accumulators of the weight gradient. */
const MOST_TAPS = 25;

/** One pixel on from window to window and from tap to tap: neighbours meet the same pixels. */
const supports = (p: Params): boolean =>
  isDepthwise(p) &&
  p.strideY * p.strideX * p.dilationY * p.dilationX === 1 &&
  p.paddingY < p.kh &&
  p.paddingX < p.kw &&
  p.kh * p.kw <= MOST_TAPS;

/** Not timed on a GPU, whose untuned choice stays one pixel per invocation: the weight gradient has few invocations. */
const suits = (_p: Params, { family }: DeviceTraits): boolean => family === 'lanes';

/** How often a strip's neighbours and lines read one pixel. */
const readsOf = ({ kh, kw }: Params): number => (kh * (STRIP + kw - 1)) / STRIP;

/** What a strip reads of a line: v_0 … of the pixels from `x0` on, zeros outside. */
const lineOf = (
  input: string,
  kw: number,
): string => `let at = u32((n * params.h + sy) * params.w) * params.channels + c;
${lines(
  STRIP + kw - 1,
  '      ',
  (j) =>
    `let x${j} = x0 + ${j}; let v${j} = select(vec4f(0.0), load${input}(at + u32(clamp(x${j}, 0, params.w - 1)) * params.channels), x${j} >= 0 && x${j} < params.w);`,
)}`;

/** h × w is what is read, oh × ow what is written. */
function convText({ kh, kw }: Params, turned: boolean, src: Via, weight: Via): string {
  const tap = (kx: number): string =>
    turned ? `u32(${(kh - 1) * kw} - ky * ${kw} + ${kw - 1 - kx})` : `u32(ky * ${kw} + ${kx})`;
  return `${requiresTextures(src, weight)}// Depthwise conv2d at stride 1${turned ? ', its input gradient: the same with the weights turned' : ''}, windows of ${kh} × ${kw}. One invocation: four channels of ${STRIP} neighbouring pixels.
requires immediate_address_space;

struct Params { h: i32, w: i32, oh: i32, ow: i32, channels: u32, padY: i32, padX: i32, strips: u32, total: u32, slope: f32 }
var<immediate> params: Params;

${vec4Input(0, 'src', src)}
${vec4Input(1, 'weight', weight)}
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dst: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.total) { return; }
  let c = index % params.channels;
  let strip = index / params.channels;
  let line = i32(strip / params.strips);
  let first = i32(strip % params.strips) * ${STRIP};
  let n = line / params.oh;
  let x0 = first - params.padX;
${lines(STRIP, '  ', (i) => `var s${i} = bias[c];`)}
  for (var ky = 0; ky < ${kh}; ky++) {
    let sy = line % params.oh + ky - params.padY;
    if (sy >= 0 && sy < params.h) {
      ${lineOf('Src', kw)}
${lines(kw, '      ', (kx) => `let w${kx} = loadWeight(${tap(kx)} * params.channels + c);`)}
${lines(
  STRIP,
  '      ',
  (i) =>
    `s${i} = s${i} + (${range(kw)
      .map((kx) => `v${i + kx} * w${kx}`)
      .join(' + ')});`,
)}
    }
  }
  let to = u32(line * params.ow + first) * params.channels + c;
${lines(STRIP, '  ', (i) => `if (first + ${i} < params.ow) { dst[to + ${i}u * params.channels] = select(params.slope * s${i}, s${i}, s${i} > vec4f(0.0)); }`)}
}
`;
}

function gradientText({ kh, kw }: Params, x: Via): string {
  const taps = range(kh * kw);
  return `${requiresTextures(x)}// Depthwise weight gradient at stride 1, windows of ${kh} × ${kw}: partials[part][tap][c] = Σ x[pixel of window and tap, c] · y[window, c] over the
// part's own lines of windows. One invocation: four channels of every tap, ${STRIP} windows at a time.
requires immediate_address_space;

struct Params { h: i32, w: i32, oh: i32, ow: i32, channels: u32, padY: i32, padX: i32, part: i32, lines: i32 }
var<immediate> params: Params;

${vec4Input(0, 'x', x)}
@group(0) @binding(1) var<storage, read> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = wid.x * 8u + lane;
  if (c >= params.channels) { return; }
  let end = min(i32(wid.y + 1u) * params.part, params.lines);
${lines(taps.length, '  ', (t) => `var s${t} = vec4f(0.0);`)}
  for (var line = i32(wid.y) * params.part; line < end; line++) {
    let n = line / params.oh;
    for (var first = 0; first < params.ow; first += ${STRIP}) {
      let x0 = first - params.padX;
      var sy = 0;
      let yAt = u32(line * params.ow + first) * params.channels + c;
${lines(STRIP, '      ', (i) => `let y${i} = select(vec4f(0.0), y[select(c, yAt + ${i}u * params.channels, first + ${i} < params.ow)], first + ${i} < params.ow);`)}
${range(kh)
  .map(
    (ky) => `      sy = line % params.oh + ${ky} - params.padY;
      if (sy >= 0 && sy < params.h) {
      ${lineOf('X', kw)}
${lines(
  kw,
  '      ',
  (kx) =>
    `s${ky * kw + kx} = s${ky * kw + kx} + (${range(STRIP)
      .map((i) => `v${i + kx} * y${i}`)
      .join(' + ')});`,
)}
      }`,
  )
  .join('\n')}
    }
  }
${lines(taps.length, '  ', (t) => `partials[(wid.y * ${taps.length}u + ${t}u) * params.channels + c] = s${t};`)}
}
`;
}

const adds = 'stride 1: strips of eight pixels, which share their taps’ loads';

function strips(transposed: boolean): Variant<ConvParam> {
  const [src, dst] = transposed ? ['y', 'x'] : ['x', 'y'];
  return {
    name: 'depthwise-strips',
    adds,
    supports,
    suits,
    passes: (p, _tile, traits) => {
      const from = transposed ? { h: p.oh, w: p.ow } : { h: p.h, w: p.w };
      const to = transposed ? { oh: p.h, ow: p.w } : { oh: p.oh, ow: p.ow };
      const [padY, padX] = transposed ? [p.kh - 1 - p.paddingY, p.kw - 1 - p.paddingX] : [p.paddingY, p.paddingX];
      const channels = p.cin / 4;
      const perLine = Math.ceil(to.ow / STRIP);
      const total = p.batch * to.oh * perLine * channels;
      const via = viaFor(traits, 4 * p.batch * from.h * from.w * p.cin, readsOf(p));
      const weights = viaFor(traits, 4 * p.kh * p.kw * p.cin, p.batch * to.oh * perLine);
      const slopeOnly = isSlopeOnly(p.activation);
      const size = p.batch * to.oh * to.ow * p.cin;
      const activation: Pass[] = slopeOnly
        ? []
        : [{ ...activationPass(p.activation, size, traits), bind: { out: dst } }];
      return [
        {
          source: generated(
            import.meta.url,
            `conv/depthwise-strips-${p.kh}x${p.kw}${transposed ? '-turned' : ''}-${via}-${weights}`,
            () => convText(p, transposed, via, weights),
          ),
          bind: { src, dst },
          params: {
            ...{ ...from, ...to, channels, padY, padX },
            ...{ strips: perLine, total, slope: slopeOnly ? p.slope : 1 },
          },
          workgroups: workgroupsFor(total, 64),
        },
        ...activation,
      ];
    },
  };
}

export const depthwiseStripsConv2d = strips(false);
export const depthwiseStripsConv2dInputGradient = strips(true);

export const depthwiseStripsConv2dWeightGradient: Variant<ConvParam> = {
  name: 'depthwise-strips',
  adds: `${adds}; lines in parts that are summed in order`,
  supports,
  suits,
  scratch: (p) => ({ partials: 4 * partsOf(p).parts * p.kh * p.kw * p.cin }),
  passes: (p, _tile, traits) => {
    const { part, parts } = partsOf(p);
    const x = viaFor(traits, 4 * p.batch * p.h * p.w * p.cin, readsOf(p));
    const channels = p.cin / 4;
    return [
      {
        source: generated(import.meta.url, `conv/depthwise-strips-weight-${p.kh}x${p.kw}-${x}`, () =>
          gradientText(p, x),
        ),
        params: {
          ...{ h: p.h, w: p.w, oh: p.oh, ow: p.ow, channels, padY: p.paddingY, padX: p.paddingX },
          ...{ part, lines: p.batch * p.oh },
        },
        workgroups: [Math.ceil(channels / 8), parts],
      },
      { ...sumPartials(parts, p.kh * p.kw * p.cin, traits), bind: { out: 'weight' } },
    ];
  },
};
