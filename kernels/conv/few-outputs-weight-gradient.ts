import { hasLanes } from '../common/lanes.ts';
import { generated, type Pass, type Variant } from '../kernel.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import { type ConvParam, packed } from './geometry.ts';
import { laneParts } from './lanes-weight-gradient.ts';

const MOST = 4;
const four = [0, 1, 2, 3];
const eight = [0, 1, 2, 3, 4, 5, 6, 7];

const text =
  (): string => `// conv2dWeightGradient with at most ${MOST} output channels: out[part][tap, ci][co] = Σ_p x[pixel of p and tap, ci] · y[p, co] over
// the part's own lines of windows. One subgroup of 8 lanes per 32 rows; lane l holds four neighbouring rows, a tap and four ci,
// for every co. Eight windows of a line per step, of which lane q loads the q-th of y.
requires immediate_address_space;
enable subgroups;

struct Params {
  h: u32, w: u32, depth: u32, oh: u32, ow: u32, cout: u32,
  window: u32, stride: u32, padding: u32, dilation: u32,
  batch: u32, part: u32, rows4: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

fn pair(packed: u32) -> vec2i { return vec2i(i32(packed & 0xffffu), i32(packed >> 16u)); }

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let stride = pair(params.stride);
  let size = vec2i(i32(params.h), i32(params.w));
  let row4 = wid.x * 8u + lane;
  let own = min(row4, params.rows4 - 1u);
  let tap = i32(own / params.depth);
  let across = pair(params.window).y;
  let offset = vec2i(tap / across, tap % across) * pair(params.dilation) - pair(params.padding);
  let lastX = u32(max(0, min(size.y, i32(params.ow) * stride.y + offset.y)));
  let begin = wid.z * params.part;
  let end = min(begin + params.part, params.batch * params.oh);
  let oh = i32(params.oh);
  let xStep = u32(stride.y) * params.depth;
${four.map((c) => `  var c${c} = vec4f(0.0);`).join('\n')}
  for (var line = begin; line < end; line++) {
    let py = i32(line) % oh * stride.x + offset.x;
    let limit = select(0u, lastX, py >= 0 && py < size.x);
    var px = offset.y;
    var at = u32((i32(line) / oh * size.x + py) * size.y + px) * params.depth + own % params.depth;
    for (var ox = 0u; ox < params.ow; ox += 8u) {
      let exists = ox + lane < params.ow;
      let yAt = select(0u, (line * params.ow + ox + lane) * params.cout, exists);
${four.map((c) => `      let y${c} = select(0.0, y[yAt + ${c}u], exists && ${c}u < params.cout);`).join('\n')}
${eight
  .map(
    (q) => `      let hit${q} = u32(px + ${q} * stride.y) < limit;
      let x${q} = select(vec4f(0.0), x[select(0u, at + ${q}u * xStep, hit${q})], hit${q});
${four.map((c) => `      c${c} += subgroupBroadcast(y${c}, ${q}u) * x${q};`).join('\n')}`,
  )
  .join('\n')}
      px += 8 * stride.y;
      at += 8u * xStep;
    }
  }
  if (row4 >= params.rows4) { return; }
  let outAt = (wid.z * params.rows4 + row4) * 4u * params.cout;
${four.map((c) => `  if (${c}u < params.cout) {\n${four.map((i) => `    out[outAt + ${i}u * params.cout + ${c}u] = c${c}[${i}];`).join('\n')}\n  }`).join('\n')}
}
`;

function sizesOf(p: Readonly<Record<ConvParam, number>>) {
  const rows = p.kh * p.kw * p.cin;
  const tiles = Math.ceil(rows / 32);
  return { rows, tiles, ...laneParts(p, tiles) };
}

/** The last layer of a generator, a discriminator's decision. */
export const fewOutputsWeightGradient: Variant<ConvParam> = {
  name: 'few-outputs',
  adds: `at most ${MOST} output channels, each in a register of its own: no tile of 32 columns for 3`,
  supports: (p, traits) => hasLanes(traits) && p.groups === 1 && p.cin % 4 === 0 && p.cout <= MOST,
  suits: (p) => p.batch * p.oh * p.ow * p.kh * p.kw * p.cin * p.cout >= 16_384,
  scratch: (p): Record<string, number> => {
    const { rows, parts } = sizesOf(p);
    return parts > 1 ? { partials: 4 * parts * rows * p.cout } : {};
  },
  passes: (p) => {
    const { rows, tiles, part, parts } = sizesOf(p);
    const passes: Pass[] = [
      {
        source: generated(import.meta.url, 'conv/few-outputs-weight-gradient', text),
        bind: { out: parts > 1 ? 'partials' : 'weight' },
        params: { ...packed(p), depth: p.cin / 4, part, rows4: rows / 4 },
        workgroups: [tiles, 1, parts],
      },
    ];
    if (parts > 1) passes.push({ ...sumPartials(parts, rows * p.cout), bind: { out: 'weight' } });
    return passes;
  },
};
