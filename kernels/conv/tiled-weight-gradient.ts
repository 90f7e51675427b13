import { type DeviceTraits, generated } from '../kernel.ts';
import { type TiledKind, tiledKinds } from '../matmul/arithmetics.ts';
import { type Arithmetic, type BlockTile, blockTileOf, nameOf, SLAB, threadsOf, tileText } from '../matmul/tile.ts';
import { blockTiles, partsOf } from '../matmul/tiled.ts';
import { type WeightGradientRung, weightGradientText, weightGradientVariant, windowText } from './weight-gradient.ts';

const text = (
  tile: BlockTile,
  arithmetic: Arithmetic,
): string => `// conv2dWeightGradient: out[part][tap, ci][co] = Σ_p x[pixel of p and tap, ci] · y[p, co] over the part's own windows p, a workgroup
// per tile of ${tile.bm} rows (tap, ci) × ${tile.bn} channels co, ${tile.micro} × ${tile.micro} per invocation. Channels are in vec4, padded with zeros.
requires immediate_address_space;
${arithmetic.directives}
${weightGradientText}
var<private> group: u32;
var<private> firstRow: u32;
var<private> firstColumn: u32;
var<private> outAt: u32;
var<private> endK: u32;
var<private> own: Rows;
var<private> at: Window; // of this invocation's k
${windowText}
fn seek(k: u32) { at = windowAt(k); }

fn advance() { at = onwards(at, ${SLAB}); }

fn prepare(slot: u32, block: u32) {
  own = rowsAt(firstRow / 4u + block, group);
}

fn source4(window: Window, k: u32) -> vec4f {
  if (k >= endK) { return vec4f(0.0); }
  return pixelOf(window, own);
}

fn leftBlock(slot: u32, block: u32, k: u32) -> mat4x4f {
  let at1 = onwards(at, 1);
  let at2 = onwards(at1, 1);
  let at3 = onwards(at2, 1);
  return mat4x4f(source4(at, k), source4(at1, k + 1u), source4(at2, k + 2u), source4(at3, k + 3u));
}

fn gradient4(window: u32, column: u32) -> vec4f {
  if (window >= endK || column >= params.columns) { return vec4f(0.0); }
  return y[window * params.dstC + group * params.columns + column];
}

fn rightBlock(slot: u32, block: u32, k: u32) -> mat4x4f {
  let column = firstColumn / 4u + block;
  return mat4x4f(gradient4(k, column), gradient4(k + 1u, column), gradient4(k + 2u, column), gradient4(k + 3u, column));
}

fn start(column4: u32) -> vec4f { return vec4f(0.0); }

fn store(row: u32, column4: u32, value: vec4f) {
  let r = firstRow + row;
  let c = firstColumn / 4u + column4;
  if (r < rowCount() && c < params.columns) {
    out[outAt + r * params.dstC + c] = value;
  }
}
${tileText(tile, arithmetic, true)}
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
  multiplyTile(thread, firstK, lastK);
}
`;

const rung = ({ name, adds, arithmetic, among, half, least }: TiledKind): WeightGradientRung => {
  const tiles = (rows: number, columns: number, groups: number, traits: DeviceTraits, windows: number) =>
    among(blockTiles(rows, columns, groups, traits, windows, half ? 2 : 4), traits);
  return {
    name,
    adds:
      adds || 'implicit GEMM in workgroup-memory tiles, windows split into parts that are summed in order: for GPUs',
    family: 'tiled',
    supports: (traits, p) => (!half || p.half === 1) && tiles(1, 1, 1, traits, 1).length > 0,
    suits: (products, traits) => traits.family === 'tiled' && products >= least,
    tiles,
    shape: ({ bm, bn }) => ({ rows: Number(bm), columns: Number(bn) }),
    source: (constants) => {
      const tile = blockTileOf(constants);
      const kind = arithmetic(constants);
      return generated(import.meta.url, `conv/weight-gradient-${nameOf(tile, kind)}`, () => text(tile, kind));
    },
    parts: ({ batch, oh, ow }, count, tile) => partsOf(count, batch * oh * ow, threadsOf(blockTileOf(tile))),
    half,
  };
};

const [plain, half, matrix] = tiledKinds.map(rung).map(weightGradientVariant);

export const tiledConv2dWeightGradient = [plain, half];
export const matrixConv2dWeightGradient = matrix;
