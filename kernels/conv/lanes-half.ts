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
  laneStepByRow,
  lines,
  rowStores,
} from '../matmul/lane-tile.ts';
import {
  type GatherOperands,
  type GatherRung,
  gatherText,
  gatherVariant,
  hasLanes,
  meetSource,
  PANEL,
} from './gather.ts';

const text = (rows: number): string => {
  const groups = rows / 8;
  return `// conv2d and conv2dInputGradient of operands in halves: dst[pixel, c] = f(Σ_{tap, k} src[pixel of tap, k] · weight[tap][k][c] + bias[c]),
// one subgroup of 8 lanes per tile of ${rows} destination pixels × ${LANE_COLUMNS} channels; implicit GEMM, lanes hold pixels of the
// source, weights are packed in panels (pack-halves.wgsl); products and sums in f32.
requires immediate_address_space;
enable subgroups;
${gatherText('vec2u', 'vec4f', 'vec4u')}
@group(0) @binding(4) var<storage, read> scales: array<vec4f>;

var<private> inside: bool;
var<private> undo: vec2f;
var<private> offset: vec4f;

fn store(row: u32, column: u32, sum: vec4f) {
  if (inside && row != NOWHERE) {
    dst[row + column] = activated(sum * undo.x * undo.y + offset);
  }
}
${laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let window = pair(params.window);
  let size = vec2i(i32(params.srcH), i32(params.srcW));
  let walk = walkOf(wid.z);
  let group = walk.group;
  let column = wid.y * ${LANE_COLUMNS / 4}u + lane;
  let firstDepth = group * params.depth;
  let panelAt = (group * params.panels + wid.y) * u32(window.x * window.y) * params.depth * 16u + lane;
${lines(groups, '  ', (g) => `let row${g} = rowAt(wid.x * ${rows}u + ${8 * g}u + lane, walk);`)}
${laneAccumulators(rows)}
  var y = 0;
  for (var ky = walk.firstTap.x; ky < window.x; ky += walk.tapStep.x) {
    var x = 0;
    for (var kx = walk.firstTap.y; kx < window.y; kx += walk.tapStep.y) {
${lines(groups, '      ', (g) => meetSource(g, 'vec2i(y, x)', 'let '))}
      var weightAt = panelAt + u32(ky * window.y + kx) * params.depth * 16u;
      for (var k = 0u; k < params.depth; k++) {
${lines(groups, '        ', (g) => unpackRow(g, `select(vec2u(0u), src[at${g} + k], hit${g})`))}
${lines(2, '        ', (i) => unpackColumns(i, `weight[weightAt + ${8 * i}u]`))}
        weightAt += 16u;
        ${laneStepByRow(rows)}
      }
      x += walk.advance.y;
    }
    y += walk.advance.x;
  }
  inside = column < params.columns;
  undo = scales[0].zw;
  offset = bias[group * params.columns + min(column, params.columns - 1u)];
  let out = group * params.columns + column;
${rowStores(rows)}
}
`;
};

/** Source pixels in halves where they stand, weights in packed panels. */
const packed = ({ src, weight }: GatherOperands) => {
  const panels = { matrices: 1, side: PANEL, depth: weight.count / PANEL, alongDepth: false, pitch: PANEL / 4 };
  return {
    scratch: {
      ...scaleScratch(src, weight),
      srcHalves: halvesBytes(src.count),
      weightHalves: packedBytes(panels, false),
    },
    passes: [
      ...scalePasses(src, weight),
      halvesPass(src.name, 'srcHalves', src.count, true),
      packPass(weight.name, 'weightHalves', panels, false),
    ],
    bind: { src: 'srcHalves', weight: 'weightHalves' },
  };
};

const lanesHalf: GatherRung = {
  name: 'lanes-half',
  adds: "operands rounded to halves, where 'medium' precision allows it: fewer loads, f32 sums",
  supports: (traits, p) => p.half === 1 && hasLanes(traits),
  suits: (products, _traits, _depth, _columns, numbers) => roundingPays(products, numbers),
  tiles: ({ pixels }) => (pixels <= 8 ? [{ rows: 8 }, { rows: 32 }] : [{ rows: 32 }, { rows: 8 }]),
  source: ({ rows }) => generated(import.meta.url, `conv/lanes-half-${rows}`, () => text(Number(rows))),
  shape: ({ rows }) => ({ rows: Number(rows), columns: LANE_COLUMNS }),
  convert: packed,
};

export const laneHalfConv2d = gatherVariant(lanesHalf, false);
export const laneHalfConv2dInputGradient = gatherVariant(lanesHalf, true);
