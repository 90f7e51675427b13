import { generated, type Variant } from '../kernel.ts';
import { LANE_COLUMNS, laneMultiplyAdd, lines } from '../matmul/lane-tile.ts';
import { type GatherRung, gatherText, gatherVariant, hasLanes } from './gather.ts';
import type { ConvParam } from './geometry.ts';

const ROWS = 32;
const MOST = 4;
const groups = ROWS / 8;

const text =
  (): string => `// conv2d and conv2dInputGradient to at most ${MOST} channels: dst[pixel, c] = f(Σ_{tap, k} src[pixel of tap, k] · weight[tap][k][c] + bias[c]),
// one subgroup of 8 lanes per ${ROWS} destination pixels; lanes hold pixels, for all channels, and a step's four lines of weights.
requires immediate_address_space;
enable subgroups;
${gatherText}
fn store(row: u32, value: vec4f) {
  if (row != NOWHERE) {
    dst[row] = activated(value + bias[0]);
  }
}
${laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let window = pair(params.window);
  let size = vec2i(i32(params.srcH), i32(params.srcW));
  let walk = walkOf(wid.z);
${lines(groups, '  ', (g) => `let row${g} = rowAt(wid.x * ${ROWS}u + ${8 * g}u + lane, walk);`)}
${lines(groups, '  ', (g) => `var c${g} = vec4f(0.0);`)}
  var y = 0;
  for (var ky = walk.firstTap.x; ky < window.x; ky += walk.tapStep.x) {
    var x = 0;
    for (var kx = walk.firstTap.y; kx < window.y; kx += walk.tapStep.y) {
${lines(
  groups,
  '      ',
  (g) => `let p${g} = row${g}.start + vec2i(y, x);
      let hit${g} = all(p${g} >= vec2i(0)) && all(p${g} < size);
      let at${g} = select(0u, u32((row${g}.picture + p${g}.x) * size.y + p${g}.y) * params.srcC, hit${g});`,
)}
      var weightAt = u32(ky * window.y + kx) * params.depth * ${LANE_COLUMNS}u + ${LANE_COLUMNS / 4}u * (lane & 3u);
      for (var k = 0u; k < params.depth; k++) {
        let own = weight[weightAt];
${lines(4, '        ', (q) => `let b${q} = subgroupBroadcast(own, ${q}u);`)}
${lines(groups, '        ', (g) => `let a${g} = select(vec4f(0.0), src[at${g} + k], hit${g});`)}
${lines(groups, '        ', (g) => `c${g} = multiplyAdd(c${g}, a${g}, b0, b1, b2, b3);`)}
        weightAt += ${LANE_COLUMNS}u;
      }
      x += walk.advance.y;
    }
    y += walk.advance.x;
  }
${lines(groups, '  ', (g) => `store(row${g}.out, c${g});`)}
}
`;

const rung: GatherRung = {
  name: 'few-outputs',
  adds: `at most ${MOST} output channels, all in one lane: no tile of 32 columns for 3`,
  supports: hasLanes,
  suits: (products) => products >= 16_384,
  tiles: () => [{}],
  source: () => generated(import.meta.url, 'conv/few-outputs', text),
  shape: () => ({ rows: ROWS, columns: LANE_COLUMNS }),
};

function fewOutputs(transposed: boolean): Variant<ConvParam> {
  const variant = gatherVariant(rung, transposed);
  return {
    ...variant,
    supports: (p, traits) =>
      p.groups === 1 && (transposed ? p.cin : p.cout) <= MOST && (variant.supports?.(p, traits) ?? true),
  };
}

/** The last layer of a generator, a discriminator's decision. */
export const fewOutputsConv2d = fewOutputs(false);
/** The gradient of pictures. */
export const fewOutputsConv2dInputGradient = fewOutputs(true);
