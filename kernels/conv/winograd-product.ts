import { ceil4 } from '../common/repitch.ts';
import { LARGEST_COPY, requiresTextures, type Via, vec4Input } from '../common/vec4-input.ts';
import { generated, type Pass } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByDepth,
  laneStepByRow,
  laneStore,
  lines,
} from '../matmul/lane-tile.ts';

/** Rows of a panel. */
const ROWS = 32;

/** What a vec4 of the left operand holds: four k of one row, or four rows at one k. */
type LeftVectors = 'alongDepth' | 'alongRows';

function productText(vectors: LeftVectors, rows: number, via: Via): string {
  const panels = Math.ceil(rows / ROWS);
  const leftLoads = vectors === 'alongDepth' ? rows / 8 : 4 * panels;
  return `${requiresTextures(via)}// Winograd's products: out[b] = left[b] · right[b] for every b of n². One subgroup of 8 lanes: ${rows} rows × ${LANE_COLUMNS} columns.
// Of a panel of 32 rows or columns, four k are 32 vec4 in a row: of left ${vectors === 'alongDepth' ? 'one per row, along k' : 'eight per k, along the rows'}, of right eight per k.
// Strides are in vec4.
requires immediate_address_space;
enable subgroups;

struct Params {
  firstPanel: u32, rows: u32, depth: u32,
  leftPanel: u32, leftProduct: u32, leftFour: u32,
  rightPanel: u32, rightProduct: u32, rightFour: u32,
  outPanel: u32, outProduct: u32, outRow: u32,
}
var<immediate> params: Params;

${vec4Input(0, 'left', via)}
@group(0) @binding(1) var<storage, read> right: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

var<private> firstRow: u32;
var<private> outAt: u32;

fn store(i: u32, value: vec4f) {
  if (firstRow + i < params.rows) {
    out[outAt + i * params.outRow] = value;
  }
}
${laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let panel = params.firstPanel + wid.x * ${panels}u;
  var leftAt = panel * params.leftPanel + wid.z * params.leftProduct + lane;
  var rightAt = wid.y * params.rightPanel + wid.z * params.rightProduct + lane;
${laneAccumulators(rows)}
  let steps = params.depth / 4u;
  for (var k = 0u; k < steps; k++) {
${lines(leftLoads, '    ', (q) => `let a${q} = loadLeft(${q < 4 ? 'leftAt' : 'leftAt + params.leftPanel'} + ${8 * (q % 4)}u);`)}
${lines(4, '    ', (q) => `let b${q} = right[rightAt + ${8 * q}u];`)}
    leftAt += params.leftFour;
    rightAt += params.rightFour;
    ${vectors === 'alongDepth' ? laneStepByRow(rows) : laneStepByDepth(rows)}
  }
  firstRow = panel * ${ROWS}u;
  outAt = wid.y * params.outPanel + wid.z * params.outProduct + firstRow * params.outRow + lane;
${laneStore(rows)}
}
`;
}

export const panels = (n: number): number => Math.ceil(n / 32);

/**
 * Where a number stands in an operand or a result: strides in vec4 over panels, products and rows, and the bytes of the
 * whole. No stride is a multiple of 4 KiB: what is written or read together would fall into the same lines of a core's
 * first cache.
 */
export interface PanelLayout {
  /** 32 rows on. */
  readonly block: number;
  readonly row: number;
  /** 32 channels on. */
  readonly panel: number;
  /** 4 channels on. */
  readonly lane: number;
  readonly product: number;
  readonly bytes: number;
}

/** Rows by channels with the channels as depth: [block of 32 rows][product][channel / 4][row]. */
export function alongDepth(products: number, rows: number, channels: number): PanelLayout {
  const product = 256 * panels(channels) + 4;
  const block = products * product;
  return { block, row: 1, panel: 256, lane: 32, product, bytes: 16 * block * panels(rows) };
}

/**
 * Rows by channels with the rows as depth, and results: [panel of 32 channels][product][row][channel / 4]. With the products
 * inside every four rows the stores of filters fall into fewer pages (Zen 5, 512@28: 12.0 ms instead of 13.8), but each step of
 * the product into another one (Xeon, 512@28 forward: 317 ms instead of 237).
 */
export function alongRows(products: number, rows: number, channels: number): PanelLayout {
  const product = 8 * (ceil4(rows) + 1);
  const panel = products * product;
  return { block: 256, row: 8, panel, lane: 1, product, bytes: 16 * panel * panels(channels) };
}

/** Results whose next reader takes one row's products together, and only few times: [panel of 32 channels][row][product][channel / 4]. */
export function productsTogether(products: number, rows: number, channels: number): PanelLayout {
  const row = 8 * products;
  const panel = rows * row;
  return { block: 32 * row, row, panel, lane: 1, product: 8, bytes: 16 * panel * panels(channels) };
}

/**
 * `products` products of rows × depth by depth × columns; depth is a multiple of 4. Read from a texture, tiles take two
 * panels of rows (512@28: 23 ms instead of 27; from buffers their loads would leave the instruction cache). What rows are
 * left over take smaller tiles: 392 rows (8 pictures of 28×28) cost as much as 400.
 */
export function panelProduct(product: {
  readonly vectors: LeftVectors;
  readonly textures: boolean;
  readonly products: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly layouts: { readonly left: PanelLayout; readonly right: PanelLayout; readonly out: PanelLayout };
  readonly bind: { readonly left: string; readonly right: string; readonly out: string };
}): Pass[] {
  const { vectors, textures, products, rows, columns, depth, layouts, bind } = product;
  // The right operand is read by few tiles; of the tall tiles' twelve loads its are four.
  const via = textures && columns > LANE_COLUMNS && layouts.left.bytes <= LARGEST_COPY ? 'texture' : 'buffer';
  const pass = (tile: number, firstPanel: number, count: number): Pass => ({
    source: generated(import.meta.url, `conv/winograd-product-${vectors}-${tile}-${via}`, () =>
      productText(vectors, tile, via),
    ),
    bind,
    params: {
      firstPanel,
      rows,
      depth,
      // Rows of left are panels where k runs along its channels, else the channels are.
      leftPanel: vectors === 'alongDepth' ? layouts.left.block : layouts.left.panel,
      leftProduct: layouts.left.product,
      leftFour: vectors === 'alongDepth' ? layouts.left.lane : 4 * layouts.left.row,
      rightPanel: layouts.right.panel,
      rightProduct: layouts.right.product,
      rightFour: 4 * layouts.right.row,
      outPanel: layouts.out.panel,
      outProduct: layouts.out.product,
      outRow: layouts.out.row,
    },
    workgroups: [count, panels(columns), products],
  });
  const tiles = via === 'texture' ? [2 * ROWS, ROWS] : [ROWS];
  const passes: Pass[] = [];
  let done = 0;
  for (const tile of tiles) {
    const count = Math.floor((rows - done) / tile);
    if (count > 0) passes.push(pass(tile, done / ROWS, count));
    done += count * tile;
  }
  const tail = Math.ceil((rows - done) / 8) * 8;
  if (tail > 0) passes.push(pass(tail, done / ROWS, 1));
  return passes;
}
