import { generated } from '../kernel.ts';
import { type BlockTile, blockTileOf, SLAB, threadsOf, tileText } from '../matmul/tile.ts';
import { blockTiles, partsOf } from '../matmul/tiled.ts';
import { weightGradientText, weightGradientVariant } from './weight-gradient.ts';

const text = (
  tile: BlockTile,
): string => `// conv2dWeightGradient: out[part][tap, ci][co] = Σ_p x[pixel of p and tap, ci] · y[p, co] over the part's own windows p, a workgroup
// per tile of ${tile.bm} rows (tap, ci) × ${tile.bn} channels co, 8 × 8 per invocation. Channels are in vec4, padded with zeros.
requires immediate_address_space;
${weightGradientText}
var<private> group: u32;
var<private> firstRow: u32;
var<private> firstColumn: u32;
var<private> outAt: u32;
var<private> endK: u32;
var<private> own: Rows;
// The window of this invocation's k: picture, line, column.
var<private> at: Window;

struct Window { n: i32, y: i32, x: i32 }

fn seek(k: u32) {
  let line = i32(k / params.ow);
  at = Window(line / i32(params.oh), line % i32(params.oh), i32(k % params.ow));
}

fn advance() { at = onwards(at, ${SLAB}); }

fn onwards(window: Window, by: i32) -> Window {
  var w = window;
  w.x += by;
  while (w.x >= i32(params.ow)) {
    w.x -= i32(params.ow);
    w.y++;
    if (w.y == i32(params.oh)) {
      w.y = 0;
      w.n++;
    }
  }
  return w;
}

fn prepare(slot: u32, block: u32) {
  own = rowsAt(firstRow / 4u + block, group);
}

fn source4(window: Window, exists: bool) -> vec4f {
  let p = vec2i(window.y, window.x) * pair(params.stride) + own.offset;
  if (!exists || any(p < vec2i(0)) || p.x >= i32(params.h) || p.y >= i32(params.w)) { return vec4f(0.0); }
  return x[u32((window.n * i32(params.h) + p.x) * i32(params.w) + p.y) * params.srcC + own.channel];
}

fn leftBlock(slot: u32, block: u32, k: u32) -> mat4x4f {
  let at1 = onwards(at, 1);
  let at2 = onwards(at1, 1);
  let at3 = onwards(at2, 1);
  return mat4x4f(
    source4(at, k < endK), source4(at1, k + 1u < endK), source4(at2, k + 2u < endK), source4(at3, k + 3u < endK),
  );
}

fn gradient4(window: u32, column: u32) -> vec4f {
  if (window >= endK || column >= params.columns) { return vec4f(0.0); }
  return y[window * params.dstC + group * params.columns + column];
}

fn rightBlock(slot: u32, block: u32, k: u32) -> mat4x4f {
  let column = firstColumn / 4u + block;
  return mat4x4f(gradient4(k, column), gradient4(k + 1u, column), gradient4(k + 2u, column), gradient4(k + 3u, column));
}

fn store(row: u32, column4: u32, value: vec4f) {
  let r = firstRow + row;
  let c = firstColumn / 4u + column4;
  if (r < rowCount() && c < params.columns) {
    out[outAt + r * params.dstC + c] = value;
  }
}
${tileText(tile, true)}
@compute @workgroup_size(${threadsOf(tile)})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) thread: u32) {
  let place = tileOf(wid.y * count.x + wid.x, count.x, count.y);
  let part = wid.z % params.parts;
  let firstK = part * params.part;
  let lastK = min(firstK + params.part, params.batch * params.oh * params.ow);
  group = wid.z / params.parts;
  endK = lastK;
  firstRow = place.x * ${tile.bm}u;
  firstColumn = place.y * ${tile.bn}u;
  outAt = part * rowCount() * params.dstC + group * params.columns;
  multiplyTile(thread, firstK, lastK, vec4f(0.0), vec4f(0.0));
}
`;

export const tiledConv2dWeightGradient = weightGradientVariant({
  name: 'tiled',
  family: 'tiled',
  adds: 'implicit GEMM in workgroup-memory tiles, windows split into parts that are summed in order: for GPUs',
  supports: () => true,
  suits: (products, traits) => traits.family === 'tiled' && products >= 262_144,
  tiles: blockTiles,
  shape: ({ bm, bn }) => ({ rows: Number(bm), columns: Number(bn) }),
  source: (constants) => {
    const tile = blockTileOf(constants);
    return generated(import.meta.url, `conv/tiled-weight-gradient-${tile.bm}x${tile.bn}`, () => text(tile));
  },
  parts: ({ batch, oh, ow }, tiles, tile) => partsOf(tiles, batch * oh * ow, blockTileOf(tile)),
});
