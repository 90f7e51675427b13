import { hasLanes } from '../common/lanes.ts';
import { requiresTextures } from '../common/vec4-input.ts';
import { generated } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByDepth,
  laneStore,
  lines,
  range,
} from '../matmul/lane-tile.ts';
import type { ConvGeometry } from './geometry.ts';
import { type Reads, weightGradientTextOf, weightGradientVariant } from './weight-gradient.ts';

const ROWS = 32;

/** Windows `first` to `first + count - 1`, of one line; a step's second half may be past the part's last. */
const windows = (first: number, count: number): string => {
  const each = (text: (q: number) => string): string => lines(count, '    ', (i) => text(first + i));
  return `    if (ox >= params.ow) {
      ox = 0u;
      let py = i32(line) % oh * stride.x + offset.x;
      lineAt = u32((i32(line) / oh * size.x + py) * size.y) * params.srcC + channel;
      // One unsigned comparison tells whether a window of this line hits the picture, and whether it exists.
      limit = u32(select(0, max(0, lastX), py >= 0 && py < size.x${count < 4 ? ' && line < end' : ''}));
      next = offset.y;
      yAt = ${count < 4 ? 'min(line, end - 1u)' : 'line'} * params.ow * pitch + firstColumn;
      line++;
    }
${each((q) => `let p${q} = ${q === first ? 'next' : `p${q - 1} + stride.y`};`)}
${each((q) => `let hit${q} = u32(p${q}) < limit;`)}
${each((q) => `let a${q} = select(vec4f(0.0), loadX(select(0u, lineAt + u32(p${q}) * params.srcC, hit${q})), hit${q});`)}
${each((q) => `let b${q} = loadY(yAt + ${q - first}u * pitch);`)}
    next = p${first + count - 1} + stride.y;
    yAt += ${count}u * pitch;
    ox += ${count}u;`;
};

/**
 * Windows of a step that share a line. Where lines have 4n + 1 or 4n + 2, the halves of a step go on to the next by themselves,
 * so that no half is lost (64 → 64 at 6 × 6, batch 32: 1.34 → 1.11 ms; at 5 × 5: 1.40 → 1.19; 256 → 256 at 14 × 14, batch 16:
 * 43.5 → 39.5). Where none would be, the second test is not worth its place.
 */
const windowsTogether = ({ ow }: ConvGeometry): number => ((ow - 1) % 4 < 2 ? 2 : 4);

const text = (
  reads: Reads,
  count: number,
): string => `${requiresTextures(reads.x, reads.y)}// conv2dWeightGradient: out[part][tap, ci][co] = Σ_p x[pixel of p and tap, ci] · y[p, co] over the part's own lines of windows.
// One subgroup of 8 lanes per tile of ${ROWS} rows (tap, ci) × ${LANE_COLUMNS} channels co; lane l holds four neighbouring rows,
// so a tile may span several taps and 3 channels (padded to 4) fill it as well as 64. Four windows per step, ${count} of
// one line; those past its end are masked. Channels are in vec4, padded with zeros.
requires immediate_address_space;
enable subgroups;
${weightGradientTextOf(reads)}
var<private> firstRow: u32;
var<private> rows: u32;
var<private> outAt: u32;
var<private> inside: bool;

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
  let stride = pair(params.stride);
  let size = vec2i(i32(params.h), i32(params.w));
  let own = rowsAt(wid.x * ${ROWS / 4}u + lane, group);
  let offset = own.offset;
  let channel = own.channel;
  let column = wid.y * ${LANE_COLUMNS / 4}u + lane;
  let begin = part * params.part;
  let end = min(begin + params.part, params.batch * params.oh);
  let pitch = params.dstC;
  let firstColumn = group * params.columns + min(column, params.columns - 1u);
  let oh = i32(params.oh);
  let lastX = min(size.y, i32(params.ow) * stride.y + offset.y);
${laneAccumulators(ROWS)}
  // Lines and their windows in one loop, as taps and channels in lanes.ts.
  let steps = ((end - min(begin, end)) * ((params.ow + ${count - 1}u) / ${count}u) * ${count}u + 3u) / 4u;
  var line = begin;
  var ox = params.ow;
  var lineAt = 0u;
  var limit = 0u;
  var next = 0;
  var yAt = 0u;
  for (var step = 0u; step < steps; step++) {
${range(4 / count)
  .map((half) => windows(half * count, count))
  .join('\n')}
    ${laneStepByDepth(ROWS)}
  }
  firstRow = wid.x * ${ROWS}u;
  rows = rowCount();
  outAt = (part * rows + firstRow) * pitch + group * params.columns + column;
  inside = column < params.columns;
${laneStore(ROWS)}
}
`;

/** Lines to a part, of `tiles` tiles. */
export const laneParts = ({ batch, oh, ow }: ConvGeometry, tiles: number): { part: number; parts: number } => {
  const all = batch * oh;
  // Tiles enough for the cores to finish together, parts long enough to be worth a pass, sums short enough to stay exact.
  // What needs no parts saves that pass (64 → 64 at 16 × 16, 36 tiles: 293 + 122 → 275 µs in two parts and in one).
  const wanted = Math.min(Math.ceil(32 / tiles), Math.floor((all * ow) / 64));
  const part = Math.max(1, Math.min(Math.ceil(4096 / ow), Math.ceil(all / Math.max(1, wanted))));
  return { part, parts: Math.ceil(all / part) };
};

export const laneConv2dWeightGradient = weightGradientVariant({
  name: 'lanes',
  adds: 'implicit GEMM in the 8 lanes of a CPU subgroup, 32 (tap, channel) rows × 32 channels; lines split into parts that are summed in order',
  supports: hasLanes,
  suits: (products) => products >= 16_384,
  shape: () => ({ rows: ROWS, columns: LANE_COLUMNS }),
  source: (_tile, reads, p) => {
    const count = windowsTogether(p);
    return generated(import.meta.url, `conv/lanes-weight-gradient-${count}-${reads.x}-${reads.y}`, () =>
      text(reads, count),
    );
  },
  parts: laneParts,
});
