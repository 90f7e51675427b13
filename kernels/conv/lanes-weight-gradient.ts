import { ceil4, repitch } from '../common/repitch.ts';
import { generated, type Pass, type Variant } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByDepth,
  laneStore,
  lines,
} from '../matmul/lane-tile.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import { channelsFit, hasLanes } from './gather.ts';
import { type ConvParam, packed } from './geometry.ts';

const ROWS = 32;

const text =
  (): string => `// conv2dWeightGradient: out[part][tap, ci][co] = Σ_p x[pixel of p and tap, ci] · y[p, co] over the part's own lines of windows.
// One subgroup of 8 lanes per tile of ${ROWS} rows (tap, ci) × ${LANE_COLUMNS} channels co; lane l holds four neighbouring rows,
// so a tile may span several taps and 3 channels (padded to 4) fill it as well as 64. Four windows of one line per step;
// those past its end are masked. Channels are in vec4, padded with zeros.
requires immediate_address_space;
enable subgroups;

struct Params {
  h: u32, w: u32, srcC: u32,
  oh: u32, ow: u32, dstC: u32,
  depth: u32, columns: u32,
  window: u32, stride: u32, padding: u32, dilation: u32,
  batch: u32, part: u32, parts: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

var<private> firstRow: u32;
var<private> rows: u32;
var<private> outAt: u32;
var<private> inside: bool;

fn pair(packed: u32) -> vec2i { return vec2i(i32(packed & 0xffffu), i32(packed >> 16u)); }

fn store(i: u32, value: vec4f) {
  if (inside && firstRow + i < rows) {
    out[outAt + i * params.dstC] = value;
  }
}
${laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.z / params.parts;
  let part = wid.z % params.parts;
  let window = pair(params.window);
  let stride = pair(params.stride);
  let size = vec2i(i32(params.h), i32(params.w));
  // This lane's four rows: a tap and four input channels.
  let taps = u32(window.x * window.y);
  let row4 = min(wid.x * ${ROWS / 4}u + lane, taps * params.depth - 1u);
  let tap = i32(row4 / params.depth);
  let channel = group * params.depth + row4 % params.depth;
  let offset = vec2i(tap / window.y, tap % window.y) * pair(params.dilation) - pair(params.padding);
  let column = wid.y * ${LANE_COLUMNS / 4}u + lane;
  let begin = part * params.part;
  let end = min(begin + params.part, params.batch * params.oh);
  let pitch = params.dstC;
  let firstColumn = group * params.columns + min(column, params.columns - 1u);
  let oh = i32(params.oh);
  let lastX = min(size.y, i32(params.ow) * stride.y + offset.y);
${laneAccumulators(ROWS)}
  for (var line = begin; line < end; line++) {
    let py = i32(line) % oh * stride.x + offset.x;
    let lineAt = u32((i32(line) / oh * size.x + py) * size.y) * params.srcC + channel;
    // One unsigned comparison tells whether a window of this line hits the picture, and whether it exists.
    let limit = u32(select(0, max(0, lastX), py >= 0 && py < size.x));
    var p0 = offset.y;
    var yAt = line * params.ow * pitch + firstColumn;
    for (var ox = 0u; ox < params.ow; ox += 4u) {
${lines(3, '      ', (q) => `let p${q + 1} = p${q} + stride.y;`)}
${lines(4, '      ', (q) => `let hit${q} = u32(p${q}) < limit;`)}
${lines(4, '      ', (q) => `let a${q} = select(vec4f(0.0), x[select(0u, lineAt + u32(p${q}) * params.srcC, hit${q})], hit${q});`)}
${lines(4, '      ', (q) => `let b${q} = y[yAt + ${q}u * pitch];`)}
      p0 = p3 + stride.y;
      yAt += 4u * pitch;
      ${laneStepByDepth(ROWS)}
    }
  }
  firstRow = wid.x * ${ROWS}u;
  rows = taps * params.depth * 4u;
  outAt = (part * rows + firstRow) * pitch + group * params.columns + column;
  inside = column < params.columns;
${laneStore(ROWS)}
}
`;

type Params = Readonly<Record<ConvParam, number>>;

/** Without a window to slide, all pixels are one long line: no masked steps at its ends. */
const flattened = (p: Params): Params =>
  p.kh * p.kw * p.strideY * p.strideX === 1 && p.paddingY + p.paddingX === 0
    ? { ...p, batch: 1, h: 1, oh: 1, w: p.batch * p.h * p.w, ow: p.batch * p.h * p.w }
    : p;

const sizesOf = (p: Params) => {
  const [cin, cout] = [ceil4(p.cin), ceil4(p.cout)];
  const rows = p.kh * p.kw * (cin / p.groups);
  const lines = p.batch * p.oh;
  const tiles = Math.ceil(rows / ROWS) * Math.ceil(cout / p.groups / LANE_COLUMNS) * p.groups;
  // Enough tiles for two cores to finish together, parts long enough to be worth a pass, sums short enough to stay exact.
  const wanted = Math.min(Math.ceil(64 / tiles), Math.floor((lines * p.ow) / 256));
  const part = Math.max(1, Math.min(Math.ceil(16_384 / p.ow), Math.ceil(lines / Math.max(1, wanted))));
  return { cin, cout, rows, positions: lines * p.ow, part, parts: Math.ceil(lines / part) };
};

export const laneConv2dWeightGradient: Variant<ConvParam> = {
  name: 'lanes',
  adds: 'implicit GEMM in the 8 lanes of a CPU subgroup, 32 (tap, channel) rows × 32 channels; windows split into parts that are summed in order',
  supports: (p, traits) =>
    hasLanes(traits) && channelsFit(p) && p.groups * sizesOf(p).parts <= 65_535 && p.kh * p.kw * p.cin <= 65_535 * ROWS,
  suits: (p) => p.batch * p.oh * p.ow * p.kh * p.kw * (p.cin / p.groups) * p.cout >= 16_384,
  scratch: (given) => {
    const p = flattened(given);
    const { cin, cout, rows, positions, parts } = sizesOf(p);
    const padded = cin !== p.cin || cout !== p.cout;
    return {
      ...(cin !== p.cin && { xPadded: 4 * p.batch * p.h * p.w * cin }),
      ...(cout !== p.cout && { yPadded: 4 * positions * cout }),
      ...(parts > 1 && { partials: 4 * parts * rows * cout }),
      ...(padded && { weightPadded: 4 * rows * cout }),
    };
  },
  passes: (given) => {
    const p = flattened(given);
    const { cin, cout, rows, positions, part, parts } = sizesOf(p);
    const passes: Pass[] = [];
    const pixels = p.batch * p.h * p.w;
    if (cin !== p.cin) {
      const sizes = { matrices: 1, rows: pixels, columns: p.cin, toRows: pixels, toColumns: cin };
      passes.push(repitch('x', 'xPadded', sizes));
    }
    if (cout !== p.cout) {
      const sizes = { matrices: 1, rows: positions, columns: p.cout, toRows: positions, toColumns: cout };
      passes.push(repitch('y', 'yPadded', sizes));
    }
    const padded = cin !== p.cin || cout !== p.cout;
    const whole = padded ? 'weightPadded' : 'weight';
    passes.push({
      source: generated(import.meta.url, 'conv/lanes-weight-gradient', text),
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
      workgroups: [Math.ceil(rows / ROWS), Math.ceil(cout / p.groups / LANE_COLUMNS), p.groups * parts],
    });
    if (parts > 1) passes.push({ ...sumPartials(parts, rows * cout), bind: { out: whole } });
    if (padded) {
      passes.push(
        repitch('weightPadded', 'weight', {
          matrices: p.kh * p.kw,
          rows: cin / p.groups,
          columns: cout,
          toRows: p.cin / p.groups,
          toColumns: p.cout,
        }),
      );
    }
    return passes;
  },
};
