import { hasLanes } from '../common/lanes.ts';
import { requiresTextures, type Via, vec4Input, viaFor } from '../common/vec4-input.ts';
import { generated, type Pass, type Variant, wgsl, workgroupsFor } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByDepth,
  laneStore,
  lines,
  range,
} from '../matmul/lane-tile.ts';
import { slopeByResult } from '../pool/geometry.ts';
import { pooledSize } from './gather.ts';
import { type ConvGeometry, type ConvParam, packed } from './geometry.ts';
import { laneParts } from './lanes-weight-gradient.ts';
import { rowsText } from './weight-gradient.ts';

const ROWS = 48;

/** The four positions of a 2 × 2 window, line by line. */
const positions = range(4).map((q) => ({ q, y: q >> 1, x: q & 1 }));

const text = (
  x: Via,
  gradient: Via,
  sloped: boolean,
): string => `${requiresTextures(x, gradient)}// conv2dMaxPoolWeightGradient: partials[part][tap, ci][co] = Σ x[pixel of the window's largest and tap, ci] · f′ · gradient[window, co]
// over the part's own lines of 2 × 2 windows, and after them, of the bias, Σ f′ · gradient. One subgroup of 8 lanes per tile of
// ${ROWS} rows (tap, ci) × ${LANE_COLUMNS} channels co, as in lanes-weight-gradient.ts; a step is a window, whose four positions are the depth of
// its products: the gradient of what was pooled is never in memory. Channels are in vec4.
requires immediate_address_space;
enable subgroups;

struct Params {
  h: u32, w: u32, depth: u32, oh: u32, ow: u32, columns: u32,
  window: u32, stride: u32, padding: u32, dilation: u32,
  lines: u32, part: u32, slope: f32,
}
var<immediate> params: Params;

${vec4Input(0, 'x', x)}
${vec4Input(1, 'gradient', gradient)}
@group(0) @binding(2) var<storage, read> taps: array<u32>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;
${sloped ? '@group(0) @binding(4) var<storage, read> result: array<vec4f>;' : ''}

${rowsText}
fn pixel(at: u32, hit: bool) -> vec4f { return select(vec4f(0.0), loadX(select(0u, at, hit)), hit); }

var<private> firstRow: u32;
var<private> rows: u32;
var<private> outAt: u32;
var<private> inside: bool;

fn store(i: u32, value: vec4f) {
  if (inside && firstRow + i < rows) { partials[outAt + i * params.columns] = value; }
}
${laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let stride = pair(params.stride);
  let size = vec2i(i32(params.h), i32(params.w));
  rows = rowCount();
  let own = rowsAt(wid.x * ${ROWS / 4}u + lane, 0u);
  let more = rowsAt(wid.x * ${ROWS / 4}u + 8u + lane % 4u, 0u);
  let right = lane / 4u;
  let column = wid.y * ${LANE_COLUMNS / 4}u + lane;
  let ownColumn = min(column, params.columns - 1u);
  let down = i32(params.oh / 2u);
  let across = params.ow / 2u;
  let begin = wid.z * params.part;
  let steps = (min(begin + params.part, params.lines) - begin) * across;
  var bias = vec4f(0.0);
${laneAccumulators(ROWS)}
  var oy = 2 * (i32(begin) % down) * stride.x;
  var picture = i32(begin) / down * size.x;
  var wx = across;
  var left = 0;
${lines(2, '', (y) => `  var line${y} = 0; var in${y} = false; var moreLine${y} = 0; var moreIn${y} = false;`)}
  var at = begin * across * params.columns + ownColumn;
  for (var step = 0u; step < steps; step++) {
    if (wx == across) {
      wx = 0u;
      left = 0;
${lines(
  2,
  '',
  (
    y,
  ) => `      let y${y} = oy + ${y} * stride.x + own.offset.x; in${y} = u32(y${y}) < params.h; line${y} = (picture + y${y}) * size.y;
      let my${y} = oy + ${y} * stride.x + more.offset.x; moreIn${y} = u32(my${y}) < params.h; moreLine${y} = (picture + my${y}) * size.y;`,
)}
      oy += 2 * stride.x;
      if (oy == 2 * down * stride.x) { oy = 0; picture += size.x; }
    }
    let x0 = left + own.offset.y;
    let x1 = x0 + stride.y;
${lines(2, '', (x) => `    let across${x} = u32(x${x}) < params.w;`)}
    let mx = left + more.offset.y + i32(right) * stride.y;
    let moreAcross = u32(mx) < params.w;
${positions
  .map(
    ({ q, y, x }) => `    let a${q} = pixel(u32(line${y} + x${x}) * params.depth + own.channel, in${y} && across${x});`,
  )
  .join('\n')}
${lines(2, '', (y) => `    let m${y} = pixel(u32(moreLine${y} + mx) * params.depth + more.channel, moreIn${y} && moreAcross);`)}
    let tap4 = (vec4u(taps[at]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
    let given = loadGradient(at);
    let g = ${sloped ? 'select(params.slope * given, given, result[at] > vec4f(0.0))' : 'given'};
${positions.map(({ q }) => `    let b${q} = select(vec4f(0.0), g, tap4 == vec4u(${q}u));`).join('\n')}
    bias += ${sloped ? 'g' : 'select(g, vec4f(0.0), tap4 > vec4u(3u))'};
    at += params.columns;
    left += 2 * stride.y;
    wx++;
    ${laneStepByDepth(ROWS)}
  }
  firstRow = wid.x * ${ROWS}u;
  outAt = (wid.z * (rows + 1u) + firstRow) * params.columns + column;
  inside = column < params.columns;
${laneStore(ROWS)}
  if (inside && wid.x == 0u) { partials[outAt + rows * params.columns] = bias; }
}
`;

/** Lines of windows in parts; behind the weights stands the bias. */
function partsOf(p: ConvGeometry) {
  const { h, w } = pooledSize(p);
  const rows = p.kh * p.kw * p.cin;
  const tiles = [Math.ceil(rows / ROWS), Math.ceil(p.cout / LANE_COLUMNS)] as const;
  const split = laneParts({ batch: p.batch, oh: h, ow: w }, tiles[0] * tiles[1]);
  return { ...split, tiles, lines: p.batch * h, windows: p.batch * h * w, size: (rows + 1) * p.cout };
}

export const laneConv2dMaxPoolWeightGradient: Variant<ConvParam> = {
  name: 'lanes',
  adds: 'a window of the pooling per step of the implicit GEMM, the bias with it: what the pooling hands back is read as it is',
  supports: (p, traits) =>
    hasLanes(traits) &&
    p.groups === 1 &&
    p.cin % 4 === 0 &&
    p.cout % 4 === 0 &&
    p.oh > 1 &&
    p.ow > 1 &&
    partsOf(p).parts <= 65_535,
  suits: (p) => p.batch * p.oh * p.ow * p.kh * p.kw * p.cin * p.cout >= 16_384,
  scratch: (p) => {
    const { parts, size } = partsOf(p);
    return { partials: 4 * parts * size };
  },
  passes: (p, _tile, traits) => {
    const { part, parts, tiles, lines, windows, size } = partsOf(p);
    const sloped = slopeByResult(p);
    const overlap = (p.kh * p.kw) / (p.strideY * p.strideX);
    const x = viaFor(traits, 4 * p.batch * p.h * p.w * p.cin, overlap * tiles[1]);
    const gradient = viaFor(traits, 4 * windows * p.cout, tiles[0]);
    const passes: Pass[] = [
      {
        source: generated(
          import.meta.url,
          `conv/lanes-pool-weight-gradient-${x}-${gradient}${sloped ? '-sloped' : ''}`,
          () => text(x, gradient, sloped),
        ),
        params: { ...packed(p), depth: p.cin / 4, columns: p.cout / 4, lines, part },
        workgroups: [...tiles, parts],
      },
      {
        source: wgsl(import.meta.url, 'sum-weight-and-bias.wgsl'),
        params: { parts, size, weights: size - p.cout },
        workgroups: workgroupsFor(size, 4 * 8),
      },
    ];
    return passes;
  },
};
