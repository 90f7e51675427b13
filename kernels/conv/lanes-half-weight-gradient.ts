import {
  halvesBytes,
  halvesPass,
  packedBytes,
  packPass,
  roundingPays,
  scalePasses,
  scaleScratch,
  unpackColumns,
  unpackRow,
} from '../half/half.ts';
import { generated } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByDepth,
  laneStore,
  lines,
} from '../matmul/lane-tile.ts';
import { hasLanes } from './gather.ts';
import { laneParts } from './lanes-weight-gradient.ts';
import { type WeightGradientOperands, weightGradientTextOf, weightGradientVariant } from './weight-gradient.ts';

const ROWS = 32;

const text =
  (): string => `// conv2dWeightGradient of operands in halves: out[part][tap, ci][co] = Σ_p x[pixel of p and tap, ci] · y[p, co], as the lane kernel for
// f32 does it: 8 lanes per tile of ${ROWS} rows (tap, ci) × ${LANE_COLUMNS} channels co, four windows of one line per step. Lines of y are
// packed in panels (pack-halves.wgsl), zeros past their ends; products and sums in f32.
requires immediate_address_space;
enable subgroups;
${weightGradientTextOf('vec2u', 'vec4u')}
@group(0) @binding(3) var<storage, read> scales: array<vec4f>;

var<private> firstRow: u32;
var<private> rows: u32;
var<private> outAt: u32;
var<private> inside: bool;
var<private> undo: vec2f;

fn store(i: u32, sum: vec4f) {
  if (inside && firstRow + i < rows) {
    out[outAt + i * params.dstC] = sum * undo.x * undo.y;
  }
}
${laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.z / params.parts;
  let part = wid.z % params.parts;
  let stride = pair(params.stride);
  let size = vec2i(i32(params.h), i32(params.w));
  let own = rowsAt(wid.x * ${ROWS / 4}u + lane, group);
  let offset = own.offset;
  let channel = own.channel;
  let column = wid.y * ${LANE_COLUMNS / 4}u + lane;
  let begin = part * params.part;
  let end = min(begin + params.part, params.batch * params.oh);
  let firstColumn = group * params.columns + min(column, params.columns - 1u);
  let fours = (params.ow + 3u) / 4u;
  let panels = (params.dstC + 7u) / 8u;
  let oh = i32(params.oh);
  let lastX = min(size.y, i32(params.ow) * stride.y + offset.y);
${laneAccumulators(ROWS)}
  for (var line = begin; line < end; line++) {
    let py = i32(line) % oh * stride.x + offset.x;
    let lineAt = u32((i32(line) / oh * size.x + py) * size.y) * params.srcC + channel;
    // One unsigned comparison tells whether a window of this line hits the picture, and whether it exists.
    let limit = u32(select(0, max(0, lastX), py >= 0 && py < size.x));
    var x0 = offset.y;
    var yAt = (line * panels + firstColumn / 8u) * fours * 16u + firstColumn % 8u;
    for (var ox = 0u; ox < fours; ox++) {
${lines(3, '      ', (q) => `let x${q + 1} = x${q} + stride.y;`)}
${lines(4, '      ', (q) => `let hit${q} = u32(x${q}) < limit;`)}
${lines(4, '      ', (q) => unpackRow(q, `select(vec2u(0u), x[select(0u, lineAt + u32(x${q}) * params.srcC, hit${q})], hit${q})`))}
${lines(2, '      ', (q) => unpackColumns(q, `y[yAt + ${8 * q}u]`))}
      x0 = x3 + stride.y;
      yAt += 16u;
      ${laneStepByDepth(ROWS)}
    }
  }
  firstRow = wid.x * ${ROWS}u;
  rows = rowCount();
  outAt = (part * rows + firstRow) * params.dstC + group * params.columns + column;
  inside = column < params.columns;
  undo = scales[0].zw;
${laneStore(ROWS)}
}
`;

/** x in halves where it stands, the lines of y packed by windows. */
const packed = ({ x, y, lines: count, windows, channels }: WeightGradientOperands) => {
  const line = { matrices: count, side: channels, depth: windows, alongDepth: false, pitch: channels / 4 };
  return {
    scratch: { ...scaleScratch(x, y), xHalves: halvesBytes(x.count), yHalves: packedBytes(line, false) },
    passes: [
      ...scalePasses(x, y),
      halvesPass(x.name, 'xHalves', x.count, true),
      packPass(y.name, 'yHalves', line, false),
    ],
    bind: { x: 'xHalves', y: 'yHalves' },
  };
};

export const laneHalfConv2dWeightGradient = weightGradientVariant({
  name: 'lanes-half',
  adds: "operands rounded to halves, where 'medium' precision allows it: fewer loads, f32 sums",
  supports: (traits, p) => p.half === 1 && hasLanes(traits),
  suits: (products, _traits, numbers) => roundingPays(products, numbers),
  shape: () => ({ rows: ROWS, columns: LANE_COLUMNS }),
  source: () => generated(import.meta.url, 'conv/lanes-half-weight-gradient', text),
  parts: laneParts,
  convert: packed,
});
