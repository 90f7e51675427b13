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

const ROWS = 32;

/** The rows' operand: by `row`, [panel of k][b][row][32 k]; by `depth`, [panel of rows][b][k][32 rows]. */
type Left = 'row' | 'depth';

function productText(left: Left): string {
  const byRow = left === 'row';
  return `// Winograd's products: out[b] = left[b] · right[b] for every b of n². Operands in panels of 32 columns, read as streams:
// left ${byRow ? '[panel of k][b][row][32 k]' : '[panel of rows][b][k][32 rows]'}, right [panel][b][k][32], pitches from b to b in rows; out [panel][row][b][32], so
// that a row's n² numbers, which the next pass takes together, lie together.
// One subgroup of 8 lanes: ${ROWS} rows × ${LANE_COLUMNS} columns. depth is a multiple of 4.
requires immediate_address_space;
enable subgroups;

struct Params { rows: u32, depth: u32, leftPitch: u32, rightPitch: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> left: array<vec4f>;
@group(0) @binding(1) var<storage, read> right: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

var<private> firstRow: u32;
var<private> outAt: u32;
var<private> rowPitch: u32;

fn store(i: u32, value: vec4f) {
  if (firstRow + i < params.rows) {
    out[outAt + rowPitch * i] = value;
  }
}
${laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x * ${ROWS}u;
  let panel = wid.y * count.z + wid.z;
  var rightAt = panel * params.rightPitch * 8u + lane;
${
  byRow
    ? `  let leftAt = wid.z * params.leftPitch;
  let panelPitch = count.z * params.leftPitch * 8u;
${lines(ROWS / 8, '  ', (g) => `let left${g} = (leftAt + min(row + ${8 * g}u + lane, params.rows - 1u)) * 8u;`)}`
    : `  var leftAt = (wid.x * count.z + wid.z) * params.leftPitch * 8u + lane;`
}
${laneAccumulators(ROWS)}
  let steps = params.depth / 4u;
  for (var k = 0u; k < steps; k++) {
${
  byRow
    ? `    let offset = (k >> 3u) * panelPitch + (k & 7u);
${lines(ROWS / 8, '    ', (g) => `let a${g} = left[left${g} + offset];`)}`
    : lines(4, '    ', (q) => `let a${q} = left[leftAt + ${8 * q}u];`)
}
${lines(4, '    ', (q) => `let b${q} = right[rightAt + ${8 * q}u];`)}
    rightAt += 32u;
${byRow ? '' : '    leftAt += 32u;'}
    ${byRow ? laneStepByRow(ROWS) : laneStepByDepth(ROWS)}
  }
  firstRow = row;
  rowPitch = count.z * 8u;
  outAt = ((wid.y * params.rows + row) * count.z + wid.z) * 8u + lane;
${laneStore(ROWS)}
}
`;
}

/**
 * Rows from one product's panel to the next. Odd: at a multiple of 32 rows (4 KiB) all n² numbers of a tile would fall into
 * the same lines of a core's first cache.
 */
export const pitchOf = (rows: number): number => rows + 1 - (rows % 2);

/** `batch` products of rows × depth by depth × columns. */
export function panelProduct(
  left: Left,
  product: {
    readonly batch: number;
    readonly rows: number;
    readonly columns: number;
    readonly depth: number;
    readonly bind: { readonly left: string; readonly right: string; readonly out: string };
  },
): Pass {
  const { batch, rows, columns, depth, bind } = product;
  return {
    source: generated(import.meta.url, `conv/winograd-product-by-${left}`, () => productText(left)),
    bind,
    params: {
      rows,
      depth,
      leftPitch: pitchOf(left === 'row' ? rows : depth),
      rightPitch: pitchOf(depth),
    },
    workgroups: [Math.ceil(rows / ROWS), Math.ceil(columns / LANE_COLUMNS), batch],
  };
}
