import { hasLanes } from '../common/lanes.ts';
import { VEC4 } from '../common/value.ts';
import { generated, type Pass, type Variant } from '../kernel.ts';
import { range } from '../matmul/lane-tile.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import { type ConvParam, packed } from './geometry.ts';

type Params = Readonly<Record<ConvParam, number>>;

/** (tap, input channel) pairs whose sums fit registers, spilled or not. */
const MOST = 16;
/** Vectors of four output channels of a tile. */
const VECTORS = 4;
/** Windows of a lane in one step. */
const WINDOWS = 2;
/** Windows of a part: sums short enough to stay exact, parts enough for all cores. */
const PART = 1024;

function text(kh: number, kw: number, cin: number): string {
  const rows = range(kh * kw * cin).map((r) => {
    const tap = Math.floor(r / cin);
    return { r, ky: Math.floor(tap / kw), kx: tap % kw, ci: r % cin };
  });
  const places = range(WINDOWS).map(
    (g) => `    let p${g} = step + ${8 * g}u + lane;
    let exists${g} = p${g} < end;
    let line${g} = p${g} / params.ow;
    let picture${g} = line${g} / params.oh;
    let top${g} = i32(line${g} - picture${g} * params.oh) * stride.x - padding.x;
    let left${g} = i32(p${g} - line${g} * params.ow) * stride.y - padding.y;
    let at${g} = (i32(picture${g} * params.h) + top${g}) * size.y + left${g};
${range(kh)
  .map((ky) => `    let down${g}_${ky} = exists${g} && u32(top${g} + ${ky} * dilation.x) < params.h;`)
  .join('\n')}
${range(kw)
  .map((kx) => `    let across${g}_${kx} = u32(left${g} + ${kx} * dilation.y) < params.w;`)
  .join('\n')}
${rows
  .map(
    ({ r, ky, kx, ci }) =>
      `    let x${g}_${r} = number((at${g} + ${ky} * dilation.x * size.y + ${kx} * dilation.y) * ${cin} + ${ci}, down${g}_${ky} && across${g}_${kx});`,
  )
  .join('\n')}
    let first${g} = select(0u, p${g} * params.columns, exists${g});
${range(VECTORS)
  .map((c) => `    let y${g}_${c} = select(vec4f(0.0), y[first${g} + column${c}], exists${g});`)
  .join('\n')}`,
  );
  const sums = rows.flatMap(({ r }) => range(VECTORS).map((c) => ({ r, c })));
  return `// conv2dWeightGradient of a window of ${kh} × ${kw} over ${cin} channels: out[part][tap, ci][co] = Σ_p x[pixel of p and tap, ci] · y[p, co]
// over the part's own windows p. The lanes hold windows, ${WINDOWS} each per step, and every one the sums of all (tap, ci) and
// ${4 * VECTORS} co; they are added over the lanes at the end, in a fixed order. A tile of 32 rows would be half empty.
requires immediate_address_space;
enable subgroups;

struct Params {
  h: u32, w: u32, oh: u32, ow: u32, columns: u32,
  stride: u32, padding: u32, dilation: u32,
  positions: u32, part: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

fn pair(packed: u32) -> vec2i { return vec2i(i32(packed & 0xffffu), i32(packed >> 16u)); }

fn number(at: i32, hit: bool) -> f32 { return select(0.0, x[select(0u, u32(at), hit)], hit); }

// #include "../common/value.wgsl"
// #include "../common/over-lanes.wgsl"

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let stride = pair(params.stride);
  let padding = pair(params.padding);
  let dilation = pair(params.dilation);
  let size = vec2i(i32(params.h), i32(params.w));
  let begin = wid.x * params.part;
  let end = min(begin + params.part, params.positions);
${range(VECTORS)
  .map((c) => `  let column${c} = min(wid.y * ${VECTORS}u + ${c}u, params.columns - 1u);`)
  .join('\n')}
${sums.map(({ r, c }) => `  var c${r}_${c} = vec4f(0.0);`).join('\n')}
  for (var step = begin; step < end; step += ${8 * WINDOWS}u) {
${places.join('\n')}
${sums
  .map(
    ({ r, c }) =>
      `    c${r}_${c} = c${r}_${c}${range(WINDOWS)
        .map((g) => ` + x${g}_${r} * y${g}_${c}`)
        .join('')};`,
  )
  .join('\n')}
  }
  let outAt = wid.x * ${rows.length}u * params.columns;
${sums
  .map(
    ({ r, c }) =>
      `  { let sum = overLanes(c${r}_${c}); if (lane == ${(r * VECTORS + c) % 8}u && wid.y * ${VECTORS}u + ${c}u < params.columns) { out[outAt + ${r}u * params.columns + column${c}] = sum; } }`,
  )
  .join('\n')}
}
`;
}

function sizesOf(p: Params) {
  const positions = p.batch * p.oh * p.ow;
  // Whole steps, and parts of one size for the cores to finish together.
  const parts = Math.ceil(positions / PART);
  const part = Math.ceil(positions / parts / (8 * WINDOWS)) * 8 * WINDOWS;
  return { rows: p.kh * p.kw * p.cin, positions, part, parts: Math.ceil(positions / part) };
}

/** The first layer of a network for grey pictures. */
export const fewRowsWeightGradient: Variant<ConvParam> = {
  name: 'few-rows',
  adds: `windows in the lanes where taps times channels are at most ${MOST}: no tile of 32 rows for 9`,
  supports: (p, traits) =>
    hasLanes(traits) &&
    p.groups === 1 &&
    p.cout % 4 === 0 &&
    p.kh * p.kw * p.cin <= MOST &&
    sizesOf(p).parts <= 65_535 &&
    p.cout <= 65_535,
  suits: (p) => p.cin < 4 && p.batch * p.oh * p.ow * p.kh * p.kw * p.cin * p.cout >= 16_384,
  scratch: (p): Record<string, number> => {
    const { rows, parts } = sizesOf(p);
    return parts > 1 ? { partials: 4 * parts * rows * p.cout } : {};
  },
  passes: (p, _tile, traits) => {
    const { rows, positions, part, parts } = sizesOf(p);
    const { stride, padding, dilation } = packed(p);
    const passes: Pass[] = [
      {
        source: generated(import.meta.url, `conv/few-rows-weight-gradient-${p.kh}x${p.kw}x${p.cin}`, () =>
          text(p.kh, p.kw, p.cin),
        ),
        constants: VEC4,
        bind: { out: parts > 1 ? 'partials' : 'weight' },
        params: { stride, padding, dilation, columns: p.cout / 4, positions, part },
        workgroups: [parts, Math.ceil(p.cout / (4 * VECTORS))],
      },
    ];
    if (parts > 1) passes.push({ ...sumPartials(parts, rows * p.cout, traits), bind: { out: 'weight' } });
    return passes;
  },
};
