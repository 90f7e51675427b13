import { generated } from '../kernel.ts';
import { type BlockTile, slotsOf, threadsOf, tileText } from '../matmul/tile.ts';
import { blockTiles } from '../matmul/tiled.ts';
import { type GatherRung, gatherText, gatherVariant, PANEL } from './gather.ts';

const tiledConvText = (
  tile: BlockTile,
): string => `// conv2d and conv2dInputGradient: dst[pixel, c] = f(Σ_{tap, k} src[pixel of tap, k] · weight[tap][k][c] + bias[c]), a workgroup
// per tile of ${tile.bm} destination pixels × ${tile.bn} channels, 8 × 8 per invocation; implicit GEMM over (tap, k).
requires immediate_address_space;
${gatherText()}
var<private> walk: Walk;
var<private> firstRow: u32;
var<private> firstColumn: u32;
var<private> tapsAcross: u32; // taps of this phase in a line
var<private> endK: u32;
var<private> rows: array<Row, ${4 * slotsOf(tile)}>;

// (line, column) among this phase's taps of position k, which lies in one tap: channels come by fours.
fn tapAt(k: u32) -> vec2i {
  let tap = k / (4u * params.depth);
  return vec2i(i32(tap / tapsAcross), i32(tap % tapsAcross));
}

fn prepare(slot: u32, block: u32) {
  for (var r = 0u; r < 4u; r++) {
    rows[slot * 4u + r] = rowAt(firstRow + block * 4u + r, walk);
  }
}

fn source4(row: Row, offset: vec2i, channel: u32) -> vec4f {
  let p = row.start + offset;
  if (any(p < vec2i(0)) || p.x >= i32(params.srcH) || p.y >= i32(params.srcW)) { return vec4f(0.0); }
  return src[u32((row.picture + p.x) * i32(params.srcW) + p.y) * params.srcC + channel];
}

fn leftBlock(slot: u32, block: u32, k: u32) -> mat4x4f {
  if (k >= endK) { return mat4x4f(); }
  let offset = tapAt(k) * walk.advance;
  let channel = walk.group * params.depth + (k / 4u) % params.depth;
  let at = slot * 4u;
  return transpose(mat4x4f(
    source4(rows[at], offset, channel),
    source4(rows[at + 1u], offset, channel),
    source4(rows[at + 2u], offset, channel),
    source4(rows[at + 3u], offset, channel),
  ));
}

fn rightBlock(slot: u32, block: u32, k: u32) -> mat4x4f {
  let column = firstColumn / 4u + block;
  let panel = column / ${PANEL / 4}u;
  if (k >= endK || panel >= params.panels) { return mat4x4f(); }
  let window = pair(params.window);
  let tap = walk.firstTap + tapAt(k) * walk.tapStep;
  let taps = u32(window.x * window.y);
  let depth = 4u * params.depth;
  let line = ((walk.group * params.panels + panel) * taps + u32(tap.x * window.y + tap.y)) * depth + k % depth;
  let at = line * ${PANEL / 4}u + column % ${PANEL / 4}u;
  return mat4x4f(weight[at], weight[at + ${PANEL / 4}u], weight[at + ${(2 * PANEL) / 4}u], weight[at + ${(3 * PANEL) / 4}u]);
}

fn store(row: u32, column4: u32, value: vec4f) {
  let c = firstColumn / 4u + column4;
  let at = rowAt(firstRow + row, walk).out;
  if (at != NOWHERE && c < params.columns) {
    dst[at + walk.group * params.columns + c] = activated(value);
  }
}
${tileText(tile)}
@compute @workgroup_size(${threadsOf(tile)})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let here = walkOf(wid.z);
  let window = pair(params.window);
  // Max: a phase that no tap hits still writes its zeros.
  let counts = max(vec2i(0), (window - here.firstTap + here.tapStep - 1) / here.tapStep);
  let lastK = u32(counts.x * counts.y) * 4u * params.depth;
  walk = here;
  tapsAcross = max(1u, u32(counts.y));
  endK = lastK;
  firstRow = wid.x * ${tile.bm}u;
  firstColumn = wid.y * ${tile.bn}u;
  let column = here.group * params.columns + firstColumn / 4u + thread % ${tile.bn / 8}u;
  multiplyTile(thread, 0u, lastK, bias[column], bias[column + ${tile.bn / 8}u]);
}
`;

const tiled: GatherRung = {
  name: 'tiled',
  adds: 'implicit GEMM in workgroup-memory tiles, 8 × 8 per invocation, double-buffered: for GPUs',
  family: 'tiled',
  supports: () => true,
  suits: (products, traits) => traits.family === 'tiled' && products >= 262_144,
  tiles: blockTiles,
  source: ({ bm, bn }) => {
    const tile = { bm: Number(bm), bn: Number(bn) };
    return generated(import.meta.url, `conv/tiled-${bm}x${bn}`, () => tiledConvText(tile));
  },
  shape: ({ bm, bn }) => ({ rows: Number(bm), columns: Number(bn) }),
};

export const tiledConv2d = gatherVariant(tiled, false);
export const tiledConv2dInputGradient = gatherVariant(tiled, true);
