import { hasLanes } from '../common/lanes.ts';
import { ceil4 } from '../common/repitch.ts';
import { requiresTextures } from '../common/vec4-input.ts';
import { type Constants, generated } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByDepth,
  laneStore,
  lines,
  range,
} from '../matmul/lane-tile.ts';
import type { Parts } from '../reduce/sum-partials.ts';
import type { ConvGeometry } from './geometry.ts';
import { type Reads, weightGradientTextOf, weightGradientVariant } from './weight-gradient.ts';

/** Windows `first` to `first + count - 1`, of one line; a step's second half may be past the part's last. */
const windows = (first: number, count: number, more: boolean): string => {
  const each = (text: (q: number) => string): string => lines(count, '    ', (i) => text(first + i));
  const exists = count < 4 ? ' && line < end' : '';
  // Of the last 16 rows, whose lanes hold two windows at once.
  const pairs = more ? range(count / 2).map((i) => first / 2 + i) : [];
  return `    if (ox >= params.ow) {
      ox = 0u;
      let oy = i32(line) % oh * stride.x;
      let picture = i32(line) / oh * size.x;
      let py = oy + offset.x;
      lineAt = u32((picture + py) * size.y) * params.srcC + channel;
      // One unsigned comparison tells whether a window of this line hits the picture, and whether it exists.
      limit = u32(select(0, max(0, lastX), py >= 0 && py < size.x${exists}));
      next = offset.y;
${
  more
    ? `      let moreY = oy + more.offset.x;
      moreLineAt = u32((picture + moreY) * size.y) * params.srcC + more.channel;
      moreLimit = u32(select(0, max(0, moreLastX), moreY >= 0 && moreY < size.x${exists}));
      moreNext = more.offset.y + i32(lane / 4u) * stride.y;`
    : ''
}
      yAt = ${count < 4 ? 'min(line, end - 1u)' : 'line'} * params.ow * pitch + firstColumn;
      line++;
    }
${each((q) => `let p${q} = ${q === first ? 'next' : `p${q - 1} + stride.y`};`)}
${each((q) => `let hit${q} = u32(p${q}) < limit;`)}
${each((q) => `let a${q} = select(vec4f(0.0), loadX(select(0u, lineAt + u32(p${q}) * params.srcC, hit${q})), hit${q});`)}
${pairs
  .map(
    (j) => `    let more${j} = u32(moreNext) < moreLimit;
    let m${j} = select(vec4f(0.0), loadX(select(0u, moreLineAt + u32(moreNext) * params.srcC, more${j})), more${j});
    moreNext += 2 * stride.y;`,
  )
  .join('\n')}
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
  rows: number,
): string => `${requiresTextures(reads.x, reads.y)}// conv2dWeightGradient: out[part][tap, ci][co] = Σ_p x[pixel of p and tap, ci] · y[p, co] over the part's own lines of windows.
// One subgroup of 8 lanes per tile of ${rows} rows (tap, ci) × ${LANE_COLUMNS} channels co; lane l holds four neighbouring rows,
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
  let own = rowsAt(wid.x * ${rows / 4}u + lane, group);
  let offset = own.offset;
  let channel = own.channel;
${rows > 32 ? `  let more = rowsAt(wid.x * ${rows / 4}u + 8u + lane % 4u, group);` : ''}
  let column = wid.y * ${LANE_COLUMNS / 4}u + lane;
  let begin = part * params.part;
  let end = min(begin + params.part, params.batch * params.oh);
  let pitch = params.dstC;
  let firstColumn = group * params.columns + min(column, params.columns - 1u);
  let oh = i32(params.oh);
  let lastX = min(size.y, i32(params.ow) * stride.y + offset.y);
${laneAccumulators(rows)}
  // Lines and their windows in one loop, as taps and channels in lanes.ts.
  let steps = ((end - min(begin, end)) * ((params.ow + ${count - 1}u) / ${count}u) * ${count}u + 3u) / 4u;
  var line = begin;
  var ox = params.ow;
  var lineAt = 0u;
  var limit = 0u;
  var next = 0;
${rows > 32 ? '  var moreLineAt = 0u;\n  var moreLimit = 0u;\n  var moreNext = 0;\n  let moreLastX = min(size.y, i32(params.ow) * stride.y + more.offset.y);' : ''}
  var yAt = 0u;
  for (var step = 0u; step < steps; step++) {
${range(4 / count)
  .map((half) => windows(half * count, count, rows > 32))
  .join('\n')}
    ${laneStepByDepth(rows)}
  }
  firstRow = wid.x * ${rows}u;
  rows = rowCount();
  outAt = (part * rows + firstRow) * pitch + group * params.columns + column;
  inside = column < params.columns;
${laneStore(rows)}
}
`;

/** Lines to a part, of `tiles` tiles. */
export const laneParts = ({ batch, oh, ow }: Pick<ConvGeometry, 'batch' | 'oh' | 'ow'>, tiles: number): Parts => {
  const all = batch * oh;
  // A dozen tiles, and an even number, for llvmpipe gives each core one half of them; parts long enough to be worth a pass,
  // sums short enough to stay exact. What needs no parts saves that pass (64 → 64 at 16 × 16, 36 tiles: 293 + 122 → 275 µs in
  // two parts and in one; 32 → 64 at 32 × 32, 12 tiles: 945 + 144 → 928).
  const even = tiles % 2 === 0 ? Math.ceil(12 / tiles) : 2 * Math.ceil(6 / tiles);
  const wanted = Math.min(tiles < 12 ? even : 1, Math.floor((all * ow) / 64));
  const part = Math.max(1, Math.min(Math.ceil(4096 / ow), Math.ceil(all / Math.max(1, wanted))));
  return { part, parts: Math.ceil(all / part) };
};

/** Rows of a tile that leave the fewer empty. */
const fittingRows = (rows: number): number => (48 * Math.ceil(rows / 48) <= 32 * Math.ceil(rows / 32) ? 48 : 32);

/**
 * Rows of a tile, the expected first: 48 where they fit and both operands come from textures, since from buffers its loop leaves
 * the instruction cache (8 × 56 × 56, 64 → 64: 27.4 → 23.3 ms; 64 × 14 × 14, 16 → 32, whose 144 rows it fits: 1545 → 1408 µs).
 */
const tileRows = (rows: number, reads: (tile: Constants) => Reads): Constants[] => {
  const { x, y } = reads({ rows: 48 });
  const best = x === 'texture' && y === 'texture' ? fittingRows(rows) : 32;
  return [best, 80 - best].map((r) => ({ rows: r }));
};

/** The same for either tile and however its operands are read, so that neither changes a bit. */
const partsOf = (p: ConvGeometry): Parts => {
  const [rows, columns] = [(p.kh * p.kw * ceil4(p.cin)) / p.groups, ceil4(p.cout) / p.groups];
  return laneParts(p, Math.ceil(rows / fittingRows(rows)) * Math.ceil(columns / LANE_COLUMNS) * p.groups);
};

export const laneConv2dWeightGradient = weightGradientVariant({
  name: 'lanes',
  adds: 'implicit GEMM in the 8 lanes of a CPU subgroup, 32 or 48 (tap, channel) rows × 32 channels; lines split into parts that are summed in order',
  supports: hasLanes,
  suits: (products) => products >= 16_384,
  tiles: (rows, _columns, _groups, _traits, _windows, reads) => tileRows(rows, reads),
  shape: ({ rows }) => ({ rows: Number(rows), columns: LANE_COLUMNS }),
  source: ({ rows }, reads, p) => {
    const count = windowsTogether(p);
    return generated(import.meta.url, `conv/lanes-weight-gradient-${rows}-${count}-${reads.x}-${reads.y}`, () =>
      text(reads, count, Number(rows)),
    );
  },
  parts: partsOf,
});
