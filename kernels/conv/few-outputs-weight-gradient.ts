import { hasLanes } from '../common/lanes.ts';
import { requiresTextures, type Via, vec4Input, viaFor } from '../common/vec4-input.ts';
import { generated, type Pass, type Variant } from '../kernel.ts';
import { lines, range } from '../matmul/lane-tile.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import { type ConvParam, packed } from './geometry.ts';
import { laneParts } from './lanes-weight-gradient.ts';

const LANES = 8;
const MOST = 4;
/** Taps across: the windows that a step's pixels belong to are in this step's lanes and in those of the one before. */
const WIDEST = 9;
/** Pixels of a step. */
const STEP = 4;

/** y of the window `ahead` of the step's first pixel. */
const windowOf = (c: number, ahead: number): string =>
  ahead >= -STEP ? `subgroupBroadcast(y${c}, ${ahead + STEP}u)` : `subgroupBroadcast(before${c}, ${ahead + 2 * STEP}u)`;

function text(kw: number, cout: number, via: Via): string {
  const sums = range(kw).flatMap((kx) => range(cout).map((c) => ({ kx, c, name: `sum${kx}_${c}` })));
  const each = (indent: string, of: (c: number) => string): string => lines(cout, indent, of);
  return `${requiresTextures(via)}// conv2dWeightGradient with ${cout} output channels and ${kw} taps across: out[part][tap, ci][co] = Σ_p x[pixel of p and tap, ci] · y[p, co]
// over the part's own lines of windows. One subgroup of 8 lanes per 8 rows (tap down, four ci), one to a lane, each with the
// sums of all taps across and all co: a pixel is read once for the ${kw} windows of a line that show it. ${STEP} pixels per step;
// lane q holds y of the window q − ${STEP} ahead of the first.
requires immediate_address_space;
enable subgroups;

struct Params {
  h: u32, w: u32, depth: u32, oh: u32, ow: u32,
  padding: u32, batch: u32, part: u32, rows: u32,
}
var<immediate> params: Params;

${vec4Input(0, 'x', via)}
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x * ${LANES}u + lane;
  let own = min(row, params.rows - 1u);
  let ky = own / params.depth;
  let channel = own - ky * params.depth;
  let down = i32(ky) - i32(params.padding & 0xffffu);
  let across = -i32(params.padding >> 16u);
  let begin = wid.z * params.part;
  let end = min(begin + params.part, params.batch * params.oh);
${sums.map(({ name }) => `  var ${name} = vec4f(0.0);`).join('\n')}
  for (var line = begin; line < end; line++) {
    let picture = line / params.oh;
    let py = i32(line - picture * params.oh) + down;
    let limit = select(0u, params.w, py >= 0 && py < i32(params.h));
    let lineAt = (i32(picture * params.h) + py) * i32(params.w);
${each('    ', (c) => `var before${c} = 0.0;`)}
    for (var first = 0u; first < params.ow + ${kw - 1}u; first += ${STEP}u) {
      let window = first + lane - ${STEP}u;
      let exists = window < params.ow;
      let yAt = select(0u, (line * params.ow + window) * ${cout}u, exists);
${each('      ', (c) => `let y${c} = select(0.0, y[yAt + ${c}u], exists);`)}
      let px = i32(first) + across;
${lines(STEP, '      ', (q) => `let hit${q} = u32(px + ${q}) < limit; let x${q} = select(vec4f(0.0), loadX(select(0u, u32(lineAt + px + ${q}) * params.depth + channel, hit${q})), hit${q});`)}
${sums
  .map(
    ({ kx, c, name }) =>
      `      ${name} += ${range(STEP)
        .map((q) => `${windowOf(c, q - kx)} * x${q}`)
        .join(' + ')};`,
  )
  .join('\n')}
${each('      ', (c) => `before${c} = y${c};`)}
    }
  }
  if (row >= params.rows) { return; }
  let outAt = ((wid.z * params.rows + ky * params.depth) * ${kw}u + channel) * ${4 * cout}u;
${sums
  .flatMap(({ kx, c, name }) =>
    range(4).map((i) => `  out[outAt + params.depth * ${4 * kx * cout}u + ${i * cout + c}u] = ${name}[${i}];`),
  )
  .join('\n')}
}
`;
}

type Params = Readonly<Record<ConvParam, number>>;

function sizesOf(p: Params) {
  const rows = p.kh * (p.cin / 4);
  const tiles = Math.ceil(rows / LANES);
  return { rows, tiles, size: p.kh * p.kw * p.cin * p.cout, ...laneParts(p, tiles) };
}

/** The last layer of a generator, a discriminator's decision. */
export const fewOutputsWeightGradient: Variant<ConvParam> = {
  name: 'few-outputs',
  adds: `at most ${MOST} output channels, each in a register of its own, and every pixel read once for all taps across (64 → 3, 7×7@128, batch 2: 34 → 6.9 ms)`,
  supports: (p, traits) =>
    hasLanes(traits) &&
    p.groups * p.strideY * p.strideX * p.dilationY * p.dilationX === 1 &&
    p.cin % 4 === 0 &&
    p.cout <= MOST &&
    p.kw <= WIDEST,
  suits: (p) => p.batch * p.oh * p.ow * p.kh * p.kw * p.cin * p.cout >= 16_384,
  scratch: (p): Record<string, number> => {
    const { parts, size } = sizesOf(p);
    return parts > 1 ? { partials: 4 * parts * size } : {};
  },
  passes: (p, _tile, traits) => {
    const { rows, tiles, part, parts, size } = sizesOf(p);
    const via = viaFor(traits, 4 * p.batch * p.h * p.w * p.cin, p.kh);
    const passes: Pass[] = [
      {
        source: generated(import.meta.url, `conv/few-outputs-weight-gradient-${p.kw}x${p.cout}-${via}`, () =>
          text(p.kw, p.cout, via),
        ),
        bind: { out: parts > 1 ? 'partials' : 'weight' },
        params: { ...packed(p), depth: p.cin / 4, part, rows },
        workgroups: [tiles, 1, parts],
      },
    ];
    if (parts > 1) passes.push({ ...sumPartials(parts, size, traits), bind: { out: 'weight' } });
    return passes;
  },
};
