import { hasLanes } from '../common/lanes.ts';
import { requiresTextures } from '../common/vec4-input.ts';
import { generated } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByRow,
  lines,
  rowStores,
} from '../matmul/lane-tile.ts';
import { type Channels, type GatherRung, gatherText, gatherVariant, meetSource, type Reads } from './gather.ts';

const store = `
fn store(row: u32, column: u32, value: vec4f) {
  if (inside && row != NOWHERE) {
    dst[row + column] = activated(value);
  }
}`;

const storePooled = `
@group(0) @binding(4) var<storage, read_write> taps: array<u32>;

// #include "../pool/best-of-four.wgsl"

fn store(row: u32, column: u32, best: Best) {
  if (inside && row != NOWHERE) {
    dst[row + column] = activated(best.value);
    taps[row + column] = best.taps;
  }
}`;

/** As rowStores, of the windows that four rows each make. */
const pooledStores = (rows: number): string =>
  lines(rows / 4, '  ', (w) => {
    const values = [0, 1, 2, 3].map((i) => `c${4 * w + i} + start`).join(', ');
    return `store(subgroupBroadcast(row${w >> 1}.out, ${(4 * w) & 7}u), out, bestOfFour(${values}, params.slope));`;
  });

function laneConvText(rows: number, reads: Reads, { pooled, rows: turned }: Channels): string {
  const groups = rows / 8;
  // Turned, a lane reads four k of each of its four columns, and has the columns of each k by naming components.
  const rightOperand = turned
    ? `${lines(4, '    ', (q) => `let w${q} = loadWeight(weightAt + own${q});`)}
${lines(4, '    ', (q) => `let b${q} = vec4f(w0[${q}], w1[${q}], w2[${q}], w3[${q}]);`)}
    weightAt++;`
    : `${lines(4, '    ', (q) => `let b${q} = loadWeight(weightAt + ${q}u * pitch);`)}
    weightAt += 4u * pitch;`;
  return `${requiresTextures(reads.src, reads.weight)}// ${pooled ? 'conv2dMaxPool: dst[window, c] = f(max over its four pixels of ' : 'conv2d and conv2dInputGradient: dst[pixel, c] = f('}Σ_{tap, k} src[pixel of tap, k] · weight[tap][k][c] + bias[c]), one subgroup
// of 8 lanes per tile of ${rows} destination pixels × ${LANE_COLUMNS} channels; implicit GEMM, lanes hold pixels of the source.
requires immediate_address_space;
enable subgroups;
${gatherText(reads, 'vec4f', 'vec4f', pooled)}
var<private> inside: bool;
${pooled ? storePooled : store}
${laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let window = pair(params.window);
  let size = vec2i(i32(params.srcH), i32(params.srcW));
  let walk = walkOf(wid.z);
  let group = walk.group;
  let column = wid.y * ${LANE_COLUMNS / 4}u + lane;
  let firstDepth = group * params.depth;
${
  turned
    ? lines(4, '  ', (q) => `let own${q} = (4u * min(column, params.columns - 1u) + ${q}u) * params.depth;`)
    : `  let natural = params.panels == 0u;
  let pitch = select(${LANE_COLUMNS / 4}u, params.columns, natural);
  let panel = (group * params.panels + wid.y) * u32(window.x * window.y) * params.depth * ${LANE_COLUMNS}u;
  let panelAt = select(panel + lane, min(column, params.columns - 1u), natural);`
}
${lines(groups, '  ', (g) => `let row${g} = rowAt(wid.x * ${rows}u + ${8 * g}u + lane, walk);`)}
${laneAccumulators(rows)}
  // Taps and channels in one loop: one within the other costs a tap of few channels as much again as its products (16 channels
  // on llvmpipe: 5.2 ms against 4.5).
  let taps = max(vec2i(0), (window - walk.firstTap + walk.tapStep - 1) / walk.tapStep);
  let steps = u32(taps.x * taps.y) * params.depth;
  var tap = vec2i(0);
  var k = params.depth;
  var weightAt = 0u;
${lines(
  groups,
  '  ',
  (g) => `var hit${g} = false;
  var at${g} = 0u;`,
)}
  for (var step = 0u; step < steps; step++) {
    if (k == params.depth) {
      k = 0u;
      let offset = tap * walk.advance;
      let origin = walk.firstTap + tap * walk.tapStep;
      weightAt = ${turned ? '' : 'panelAt + '}u32(origin.x * window.y + origin.y) * params.depth * 4u * ${turned ? 'params.columns' : 'pitch'};
${lines(groups, '      ', (g) => meetSource(g, 'offset'))}
      tap.y++;
      if (tap.y == taps.y) { tap = vec2i(tap.x + 1, 0); }
    }
${lines(groups, '    ', (g) => `let a${g} = select(vec4f(0.0), loadSrc(at${g} + k), hit${g});`)}
${rightOperand}
    k++;
    ${laneStepByRow(rows)}
  }
  inside = column < params.columns;
  let out = group * params.columns + column;
  let start = bias[group * params.columns + min(column, params.columns - 1u)];
${pooled ? pooledStores(rows) : rowStores(rows, ' + start')}
}
`;
}

const lanes: GatherRung = {
  name: 'lanes',
  adds: 'implicit GEMM in the 8 lanes of a CPU subgroup, 24 or 48 pixels × 32 channels in registers; channels padded to fours',
  supports: hasLanes,
  suits: (products) => products >= 16_384,
  // From buffers the loop, longer than matmul's, is at the edge of what the instruction cache holds: at 32 rows 41 GFLOP/s, at
  // 24 45. From textures 104 at 24 rows, 108 at 32, 112 at 48, 111 at 64 (256@28).
  tiles: ({ pixels, src }) => {
    const [best, other] = src === 'texture' ? [48, 24] : [24, 32];
    return (pixels <= 8 ? [8, 24, 32] : [best, other, 8]).map((rows) => ({ rows }));
  },
  source: ({ rows }, channels, reads) =>
    generated(
      import.meta.url,
      `conv/lanes-${rows}-${reads.src}-${reads.weight}${channels.pooled ? '-pooled' : channels.rows ? '-rows' : ''}`,
      () => laneConvText(Number(rows), reads, channels),
    ),
  shape: ({ rows }) => ({ rows: Number(rows), columns: LANE_COLUMNS }),
  natural: true,
};

export const laneConv2d = gatherVariant(lanes, 'forward');
export const laneConv2dInputGradient = gatherVariant(lanes, 'transposed');
export const laneConv2dMaxPool = gatherVariant(lanes, 'pooled');
