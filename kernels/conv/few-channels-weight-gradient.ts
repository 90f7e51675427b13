import { hasLanes } from '../common/lanes.ts';
import { generated, type Pass, type Variant } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByDepth,
  laneStore,
  lines,
  literalLane,
} from '../matmul/lane-tile.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import { type ConvParam, packed } from './geometry.ts';
import { laneParts } from './lanes-weight-gradient.ts';

const ROWS = 32;
const four = [0, 1, 2, 3];

const text =
  (): string => `// conv2dWeightGradient: out[part][tap, ci][co] = Σ_p x[pixel of p and tap, ci] · y[p, co] over the part's own lines of windows.
// As the kernel of many channels, but with rows that need not come by fours: lane l gathers its four rows (tap, ci) number
// by number, so that 27 rows of 3 channels fill one tile where 36 padded ones would need two.
requires immediate_address_space;
enable subgroups;

struct Params {
  h: u32, w: u32, cin: u32, oh: u32, ow: u32, columns: u32,
  window: u32, stride: u32, padding: u32, dilation: u32,
  batch: u32, part: u32, rows: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

fn pair(packed: u32) -> vec2i { return vec2i(i32(packed & 0xffffu), i32(packed >> 16u)); }

struct Row { offset: vec2i, channel: u32 }

fn rowAt(index: u32) -> Row {
  let row = min(index, params.rows - 1u);
  let tap = i32(row / params.cin);
  let across = pair(params.window).y;
  return Row(vec2i(tap / across, tap % across) * pair(params.dilation) - pair(params.padding), row % params.cin);
}

var<private> firstRow: u32;
var<private> outAt: u32;
var<private> inside: bool;

fn store(i: u32, value: vec4f) {
  if (inside && firstRow + i < params.rows) {
    out[outAt + i * params.columns] = value;
  }
}

fn number(at: u32, hit: bool) -> f32 { return select(0.0, x[select(0u, at, hit)], hit); }
${laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let stride = pair(params.stride);
  let size = vec2i(i32(params.h), i32(params.w));
  let column = wid.y * ${LANE_COLUMNS / 4}u + lane;
  let begin = wid.z * params.part;
  let end = min(begin + params.part, params.batch * params.oh);
  let oh = i32(params.oh);
${four.map((r) => `  let row${r} = rowAt((wid.x * ${ROWS / 4}u + lane) * 4u + ${r}u);\n  let last${r} = u32(max(0, min(size.y, i32(params.ow) * stride.y + row${r}.offset.y)));`).join('\n')}
  let xStep = u32(stride.y) * params.cin;
${laneAccumulators(ROWS)}
  for (var line = begin; line < end; line++) {
    let py = i32(line) % oh * stride.x;
    let picture = i32(line) / oh * size.x;
${four
  .map(
    (r) => `    let y${r} = py + row${r}.offset.x;
    let limit${r} = select(0u, last${r}, y${r} >= 0 && y${r} < size.x);
    var p${r} = row${r}.offset.y;
    var at${r} = u32((picture + y${r}) * size.y + p${r}) * params.cin + row${r}.channel;`,
  )
  .join('\n')}
    var yAt = line * params.ow * params.columns + min(column, params.columns - 1u);
    for (var ox = 0u; ox < params.ow; ox += 4u) {
${lines(4, '      ', (q) => `let a${q} = vec4f(${four.map((r) => `number(at${r} + ${q}u * xStep, u32(p${r} + ${q} * stride.y) < limit${r})`).join(', ')});`)}
${lines(4, '      ', (q) => `let b${q} = y[yAt + ${q}u * params.columns];`)}
${four.map((r) => `      p${r} += 4 * stride.y;\n      at${r} += 4u * xStep;`).join('\n')}
      yAt += 4u * params.columns;
      ${laneStepByDepth(ROWS, literalLane)}
    }
  }
  firstRow = wid.x * ${ROWS}u;
  outAt = (wid.z * params.rows + firstRow) * params.columns + column;
  inside = column < params.columns;
${laneStore(ROWS)}
}
`;

type Params = Readonly<Record<ConvParam, number>>;

function sizesOf(p: Params) {
  const rows = p.kh * p.kw * p.cin;
  const grid = [Math.ceil(rows / ROWS), Math.ceil(p.cout / LANE_COLUMNS)];
  return { rows, grid, ...laneParts(p, grid[0] * grid[1]) };
}

/** 3-channel pictures and the like. */
export const fewChannelsWeightGradient: Variant<ConvParam> = {
  name: 'few-channels',
  adds: 'input channels that are no multiple of 4 gathered number by number instead of padded: fewer tiles',
  supports: (p, traits) => hasLanes(traits) && p.groups === 1 && p.cout % 4 === 0,
  suits: (p) => {
    const tiles = (channels: number): number => Math.ceil((p.kh * p.kw * channels) / ROWS);
    return (
      tiles(p.cin) < tiles(Math.ceil(p.cin / 4) * 4) && p.batch * p.oh * p.ow * p.kh * p.kw * p.cin * p.cout >= 16_384
    );
  },
  scratch: (p): Record<string, number> => {
    const { rows, parts } = sizesOf(p);
    return parts > 1 ? { partials: 4 * parts * rows * p.cout } : {};
  },
  passes: (p, _tile, traits) => {
    const { rows, grid, part, parts } = sizesOf(p);
    const passes: Pass[] = [
      {
        source: generated(import.meta.url, 'conv/few-channels-weight-gradient', text),
        bind: { out: parts > 1 ? 'partials' : 'weight' },
        params: { ...packed(p), columns: p.cout / 4, part, rows },
        workgroups: [grid[0], grid[1], parts],
      },
    ];
    if (parts > 1) passes.push({ ...sumPartials(parts, rows * p.cout, traits), bind: { out: 'weight' } });
    return passes;
  },
};
