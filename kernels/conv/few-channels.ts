import { ceil4, repitch } from '../common/repitch.ts';
import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { generated, type Pass, type Variant } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByRow,
  laneStore,
  lines,
} from '../matmul/lane-tile.ts';
import { hasLanes } from './gather.ts';
import type { ConvParam } from './geometry.ts';

const ROWS = 32;
const groups = [0, 1, 2, 3];

const text =
  (): string => `// conv2d of few channels: dst[p, co] = f(Σ_{ky, j} x[line of p and ky, first(p) + j] · weight[ky][j][co] + bias[co]), j over the kw · cin
// neighbouring numbers of a line that a window sees. One subgroup of 8 lanes per tile of ${ROWS} pixels × ${LANE_COLUMNS} channels; lanes hold
// pixels and gather number by number, so that 3 channels need no padding to 4.
requires immediate_address_space;
enable subgroups;

struct Params {
  h: u32, w: u32, cin: u32, oh: u32, ow: u32, dstC: u32,
  kh: u32, across: u32, strideY: u32, strideX: u32, paddingY: i32, paddingX: i32, dilationY: u32,
  pixels: u32, weightPitch: u32, slope: f32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> arranged: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

// Where a pixel's window begins: its picture's first line, its own first line there, its first number in a line, and where in
// the line it ends.
struct Window { picture: i32, top: i32, first: i32, end: u32 }

fn windowAt(index: u32) -> Window {
  let pixel = min(index, params.pixels - 1u);
  let line = pixel / params.ow;
  let first = (i32(pixel % params.ow * params.strideX) - params.paddingX) * i32(params.cin);
  let end = u32(clamp(first + i32(params.across), 0, i32(params.w * params.cin)));
  return Window(
    i32(line / params.oh * params.h), i32(line % params.oh * params.strideY) - params.paddingY, first, end,
  );
}

fn number(lineAt: u32, j: i32, limit: u32) -> f32 {
  let hit = u32(j) < limit;
  return select(0.0, x[select(0u, lineAt + u32(j), hit)], hit);
}

var<private> firstPixel: u32;
var<private> column: u32;
var<private> added: vec4f;

fn store(i: u32, sum: vec4f) {
  let value = sum + added;
  if (column < params.dstC && firstPixel + i < params.pixels) {
    y[(firstPixel + i) * params.dstC + column] = select(params.slope * value, value, value > vec4f(0.0));
  }
}
${laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  firstPixel = wid.x * ${ROWS}u;
  column = wid.y * ${LANE_COLUMNS / 4}u + lane;
${lines(4, '  ', (g) => `let window${g} = windowAt(firstPixel + ${8 * g}u + lane);`)}
  var weightAt = column;
  let steps = (params.across + 3u) / 4u;
${laneAccumulators(ROWS)}
  for (var ky = 0u; ky < params.kh; ky++) {
${groups
  .map(
    (g) => `    let line${g} = window${g}.top + i32(ky * params.dilationY);
    let limit${g} = select(0u, window${g}.end, line${g} >= 0 && line${g} < i32(params.h));
    let at${g} = u32(window${g}.picture + line${g}) * params.w * params.cin;
    var j${g} = window${g}.first;`,
  )
  .join('\n')}
    for (var step = 0u; step < steps; step++) {
${groups
  .map(
    (g) =>
      `      let a${g} = vec4f(${groups.map((c) => `number(at${g}, j${g} + ${c}, limit${g})`).join(', ')});\n      j${g} += 4;`,
  )
  .join('\n')}
${lines(4, '      ', (k) => `let b${k} = arranged[weightAt + ${k}u * params.weightPitch];`)}
      weightAt += 4u * params.weightPitch;
      ${laneStepByRow(ROWS)}
    }
  }
  added = bias[min(column, params.dstC - 1u)];
${laneStore(ROWS)}
}
`;

const sizesOf = (p: Readonly<Record<ConvParam, number>>) => ({
  pixels: p.batch * p.oh * p.ow,
  columns: Math.ceil(p.cout / LANE_COLUMNS) * LANE_COLUMNS,
  across: p.kw * p.cin,
});

/** The first layer. */
export const fewChannelsConv2d: Variant<ConvParam> = {
  name: 'few-channels',
  adds: 'input channels that are no multiple of 4 gathered number by number along the lines instead of padded',
  supports: (p, traits) =>
    hasLanes(traits) &&
    p.groups === 1 &&
    p.dilationX === 1 &&
    p.cout % 4 === 0 &&
    Math.ceil(sizesOf(p).pixels / ROWS) <= 65_535,
  suits: (p) => p.cin % 4 !== 0 && p.cin < 8 && sizesOf(p).pixels * p.kh * p.kw * p.cin * p.cout >= 16_384,
  scratch: (p) => {
    const { across, columns } = sizesOf(p);
    return { arranged: 4 * p.kh * ceil4(across) * columns };
  },
  passes: (p) => {
    const { pixels, across, columns } = sizesOf(p);
    const slopeOnly = isSlopeOnly(p.activation);
    const passes: Pass[] = [
      repitch('weight', 'arranged', {
        matrices: p.kh,
        rows: across,
        columns: p.cout,
        toRows: ceil4(across),
        toColumns: columns,
      }),
      {
        source: generated(import.meta.url, 'conv/few-channels', text),
        params: { across, dstC: p.cout / 4, pixels, weightPitch: columns / 4, slope: slopeOnly ? p.slope : 1 },
        workgroups: [Math.ceil(pixels / ROWS), columns / LANE_COLUMNS],
      },
    ];
    if (!slopeOnly) passes.push({ ...activationPass(p.activation, pixels * p.cout), bind: { out: 'y' } });
    return passes;
  },
};
