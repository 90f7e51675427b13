import { generated } from '../kernel.ts';
import { type TiledKind, tiledKinds } from '../matmul/arithmetics.ts';
import { type Arithmetic, type BlockTile, blockTileOf, nameOf, SLAB, threadsOf, tileText } from '../matmul/tile.ts';
import { blockTiles, partsOf } from '../matmul/tiled.ts';
import { type GatherRung, gatherText, gatherVariant, PANEL } from './gather.ts';

const tiledConvText = (
  tile: BlockTile,
  arithmetic: Arithmetic,
): string => `// conv2d and conv2dInputGradient: dst[pixel, c] = f(Σ_{tap, k} src[pixel of tap, k] · weight[tap][k][c] + bias[c]), a workgroup
// per tile of ${tile.bm} destination pixels × ${tile.bn} channels, ${tile.micro} × ${tile.micro} per invocation; implicit GEMM over (tap, k).
// k may be split into parts; each writes its own partial result (the first with the bias), to be summed in order.
requires immediate_address_space;
${arithmetic.directives}
${gatherText()}
var<private> walk: Walk;
var<private> firstRow: u32;
var<private> firstColumn: u32;
var<private> tapsAcross: i32; // taps of this phase in a line
var<private> endK: u32;
var<private> outAt: u32;
var<private> startsHere: bool;
var<private> row0: Row;
var<private> row1: Row;
var<private> row2: Row;
var<private> row3: Row;
// Where this invocation's k stands: (line, column) among this phase's taps, and the channel, in vec4. Channels come by fours, so
// that four k lie in one tap.
var<private> tap: vec2i;
var<private> channel: u32;

fn seek(k: u32) {
  let t = i32(k / (4u * params.depth));
  tap = vec2i(t / tapsAcross, t % tapsAcross);
  channel = k / 4u % params.depth;
}

fn advance() {
  channel += ${SLAB / 4}u;
  while (channel >= params.depth) {
    channel -= params.depth;
    tap.y++;
    if (tap.y == tapsAcross) { tap = vec2i(tap.x + 1, 0); }
  }
}

fn prepare(slot: u32, block: u32) {
  let row = firstRow + block * 4u;
  row0 = rowAt(row, walk);
  row1 = rowAt(row + 1u, walk);
  row2 = rowAt(row + 2u, walk);
  row3 = rowAt(row + 3u, walk);
}

fn source4(row: Row, offset: vec2i, at: u32) -> vec4f {
  let p = row.start + offset;
  if (any(p < vec2i(0)) || p.x >= i32(params.srcH) || p.y >= i32(params.srcW)) { return vec4f(0.0); }
  return src[u32((row.picture + p.x) * i32(params.srcW) + p.y) * params.srcC + at];
}

fn leftBlock(slot: u32, block: u32, k: u32) -> mat4x4f {
  if (k >= endK) { return mat4x4f(); }
  let offset = tap * walk.advance;
  let at = walk.group * params.depth + channel;
  return transpose(mat4x4f(
    source4(row0, offset, at), source4(row1, offset, at), source4(row2, offset, at), source4(row3, offset, at),
  ));
}

fn panelCount() -> u32 { return params.panels & 0xffffu; }

fn rightBlock(slot: u32, block: u32, k: u32) -> mat4x4f {
  let column = firstColumn / 4u + block;
  let panel = column / ${PANEL / 4}u;
  if (k >= endK || panel >= panelCount()) { return mat4x4f(); }
  let window = pair(params.window);
  let place = walk.firstTap + tap * walk.tapStep;
  let taps = u32(window.x * window.y);
  let line = ((walk.group * panelCount() + panel) * taps + u32(place.x * window.y + place.y)) * params.depth + channel;
  let at = line * ${PANEL}u + column % ${PANEL / 4}u;
  return mat4x4f(weight[at], weight[at + ${PANEL / 4}u], weight[at + ${(2 * PANEL) / 4}u], weight[at + ${(3 * PANEL) / 4}u]);
}

fn start(column4: u32) -> vec4f {
  return select(vec4f(0.0), bias[walk.group * params.columns + firstColumn / 4u + column4], startsHere);
}

fn store(row: u32, column4: u32, value: vec4f) {
  let c = firstColumn / 4u + column4;
  let at = rowAt(firstRow + row, walk).out;
  if (at != NOWHERE && c < params.columns) {
    dst[outAt + at + walk.group * params.columns + c] = activated(value);
  }
}
${tileText(tile, arithmetic, true)}
@compute @workgroup_size(${threadsOf(tile)})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) thread: u32) {
  let place = tileOf(wid.y * count.x + wid.x, count.x, count.y);
  let parts = params.panels >> 16u;
  let part = wid.z / (count.z / parts);
  let here = walkOf(wid.z % (count.z / parts));
  let window = pair(params.window);
  // Max: a phase that no tap hits still writes its zeros.
  let counts = max(vec2i(0), (window - here.firstTap + here.tapStep - 1) / here.tapStep);
  let allK = u32(counts.x * counts.y) * 4u * params.depth;
  let slabs = (allK + ${SLAB - 1}u) / ${SLAB}u;
  let firstK = part * ((slabs + parts - 1u) / parts) * ${SLAB}u;
  let lastK = min(firstK + (slabs + parts - 1u) / parts * ${SLAB}u, allK);
  walk = here;
  tapsAcross = max(1, counts.y);
  endK = lastK;
  firstRow = place.x * ${tile.bm}u;
  firstColumn = place.y * ${tile.bn}u;
  outAt = part * params.batch * params.dstH * params.dstW * params.dstC;
  startsHere = part == 0u;
  multiplyTile(thread, firstK, lastK);
}
`;

const rung = ({ name, adds, arithmetic, among, half, least }: TiledKind): GatherRung => ({
  name,
  adds:
    adds ||
    'implicit GEMM in workgroup-memory tiles, 8 × 8 or 4 × 4 per invocation, double-buffered, k split where the grid is small: for GPUs',
  family: 'tiled',
  supports: (_traits, p) => !half || p.half === 1,
  suits: (products, traits) => traits.family === 'tiled' && products >= least,
  tiles: ({ pixels, columns, count, k }, traits) =>
    among(blockTiles(pixels, columns, count, traits, k, half ? 2 : 4), traits),
  parts: (workgroups, k, tile) => partsOf(workgroups, k, threadsOf(blockTileOf(tile))),
  source: (constants) => {
    const tile = blockTileOf(constants);
    const kind = arithmetic(constants);
    return generated(import.meta.url, `conv/${nameOf(tile, kind)}`, () => tiledConvText(tile, kind));
  },
  shape: ({ bm, bn }) => ({ rows: Number(bm), columns: Number(bn) }),
  half,
});

const [plain, half, matrix] = tiledKinds.map(rung);

export const tiledConv2d = [plain, half].map((one) => gatherVariant(one, 'forward'));
export const tiledConv2dInputGradient = [plain, half].map((one) => gatherVariant(one, 'transposed'));
export const matrixConv2d = gatherVariant(matrix, 'forward');
export const matrixConv2dInputGradient = gatherVariant(matrix, 'transposed');
