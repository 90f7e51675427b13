import { ceil4, repitch } from '../common/repitch.ts';
import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { type DeviceTraits, generated, type Pass, type Variant, wgsl, workgroupsFor } from '../kernel.ts';
import {
  LANE_COLUMNS,
  laneAccumulators,
  laneMultiplyAdd,
  laneStepByRow,
  lines,
  rowStores,
} from '../matmul/lane-tile.ts';
import { type ConvParam, packed } from './geometry.ts';

/**
 * Text of the gather kernel, which is the convolution and, with `transposed`, its input gradient: each destination
 * pixel gathers, tap by tap, the source pixel that the tap points at. Both are one pipeline.
 */
function laneConvText(rows: number): string {
  const groups = rows / 8;
  return `// conv2d and conv2dInputGradient: dst[pixel, c] = f(Σ_{tap, k} src[pixel of tap, k] · weight[tap][k][c] + bias[c]), one subgroup
// of 8 lanes per tile of ${rows} destination pixels × ${LANE_COLUMNS} channels; implicit GEMM, lanes hold pixels of the source.
// Transposed with a stride s, the destination falls into s × s phases; in each, the taps that hit are every s-th, so that
// no product with an inserted zero is computed (needs stride 1 or dilation 1). Channels are in vec4, padded with zeros.
requires immediate_address_space;
enable subgroups;

struct Params {
  batch: u32,
  srcH: u32, srcW: u32, srcC: u32,
  dstH: u32, dstW: u32, dstC: u32,
  depth: u32, columns: u32,
  window: u32, stride: u32, padding: u32, dilation: u32,
  transposed: u32,
  slope: f32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> src: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dst: array<vec4f>;

const NOWHERE = 0xffffffffu;
var<private> inside: bool;

fn pair(packed: u32) -> vec2i { return vec2i(i32(packed & 0xffffu), i32(packed >> 16u)); }

fn store(row: u32, column: u32, value: vec4f) {
  if (inside && row != NOWHERE) {
    dst[row + column] = select(params.slope * value, value, value > vec4f(0.0));
  }
}
${laneMultiplyAdd}

// What a lane knows of one of its rows: where its window starts in the source, its picture's first row there, and where
// the result goes.
struct Row { start: vec2i, picture: i32, out: u32 }

fn rowAt(index: u32, phases: vec2i, phase: vec2i, first: vec2i, step: vec2i) -> Row {
  let grid = (vec2i(i32(params.dstH), i32(params.dstW)) + phases - 1) / phases;
  let i = i32(index);
  let x = i % grid.y;
  let y = (i / grid.y) % grid.x;
  let n = i / (grid.y * grid.x);
  let pixel = vec2i(y, x) * phases + phase;
  let exists = n < i32(params.batch) && pixel.x < i32(params.dstH) && pixel.y < i32(params.dstW);
  let at = ((n * i32(params.dstH) + pixel.x) * i32(params.dstW) + pixel.y) * i32(params.dstC);
  return Row(vec2i(y, x) * step + first, min(n, i32(params.batch) - 1) * i32(params.srcH), select(NOWHERE, u32(at), exists));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let window = pair(params.window);
  let stride = pair(params.stride);
  let padding = pair(params.padding);
  let dilation = pair(params.dilation);
  let backward = params.transposed == 1u;
  let phases = select(vec2i(1), stride, backward);
  let index = i32(wid.z) % (phases.x * phases.y);
  let group = wid.z / u32(phases.x * phases.y);
  let phase = vec2i(index / phases.y, index % phases.y);
  // Taps firstTap, firstTap + tapStep, …; the j-th of them reads the source at start + j · advance.
  let firstTap = select(vec2i(0), (phase + padding) % stride, backward);
  let tapStep = phases;
  let advance = select(dilation, -dilation, backward);
  let first = select(-padding, (phase + padding - firstTap) / stride, backward);
  let step = select(stride, vec2i(1), backward);
  let size = vec2i(i32(params.srcH), i32(params.srcW));
  let column = wid.y * ${LANE_COLUMNS / 4}u + lane;
  let firstDepth = group * params.depth;
  let panelAt = (group * count.y + wid.y) * u32(window.x * window.y) * params.depth * ${LANE_COLUMNS}u + lane;
${lines(groups, '  ', (g) => `let row${g} = rowAt(wid.x * ${rows}u + ${8 * g}u + lane, phases, phase, first, step);`)}
${laneAccumulators(rows, 'bias[group * params.columns + min(column, params.columns - 1u)]')}
  var y = 0;
  for (var ky = firstTap.x; ky < window.x; ky += tapStep.x) {
    var x = 0;
    for (var kx = firstTap.y; kx < window.y; kx += tapStep.y) {
${lines(
  groups,
  '      ',
  (g) => `let p${g} = row${g}.start + vec2i(y, x);
      let hit${g} = all(p${g} >= vec2i(0)) && all(p${g} < size);
      let at${g} = select(0u, u32((row${g}.picture + p${g}.x) * size.y + p${g}.y) * params.srcC + firstDepth, hit${g});`,
)}
      var weightAt = panelAt + u32(ky * window.y + kx) * params.depth * ${LANE_COLUMNS}u;
      for (var k = 0u; k < params.depth; k++) {
${lines(groups, '        ', (g) => `let a${g} = select(vec4f(0.0), src[at${g} + k], hit${g});`)}
${lines(4, '        ', (k) => `let b${k} = weight[weightAt + ${8 * k}u];`)}
        weightAt += ${LANE_COLUMNS}u;
        ${laneStepByRow(rows)}
      }
      x += advance.y;
    }
    y += advance.x;
  }
  inside = column < params.columns;
  let out = group * params.columns + column;
${rowStores(rows)}
}
`;
}

type Params = Readonly<Record<ConvParam, number>>;

/** Channels come by fours: one group is padded where need be, several must fit. */
export const channelsFit = (p: Params): boolean =>
  p.groups === 1 || ((p.cin / p.groups) % 4 === 0 && (p.cout / p.groups) % 4 === 0);

export const hasLanes = (traits: DeviceTraits): boolean => traits.subgroupMinSize === 8 && traits.subgroupMaxSize === 8;

const phasesOf = (p: Params, transposed: boolean): number => (transposed ? p.strideY * p.strideX : 1);

/** Destination pixels of one phase, over the batch. */
const pixels = (p: Params, transposed: boolean): number =>
  transposed ? p.batch * Math.ceil(p.h / p.strideY) * Math.ceil(p.w / p.strideX) : p.batch * p.oh * p.ow;

/** The gather kernel under the names of one of the two declarations. */
function laneConv(transposed: boolean): Variant<ConvParam> {
  const [src, dst] = transposed ? ['y', 'x'] : ['x', 'y'];
  const sizes = (p: Params) => {
    const [k, columns] = transposed ? [p.cout, p.cin] : [p.cin, p.cout];
    return {
      k,
      columns,
      source: { matrices: 1, rows: p.batch * (transposed ? p.oh * p.ow : p.h * p.w), columns: k },
      target: { matrices: 1, rows: p.batch * (transposed ? p.h * p.w : p.oh * p.ow), columns },
      taps: p.kh * p.kw,
      panels: Math.ceil(columns / p.groups / LANE_COLUMNS),
    };
  };
  return {
    name: 'lanes',
    adds: 'implicit GEMM in the 8 lanes of a CPU subgroup, up to 32 pixels × 32 channels in registers; channels padded to fours',
    supports: (p, traits) =>
      hasLanes(traits) &&
      channelsFit(p) &&
      Math.ceil(pixels(p, transposed) / 8) <= 65_535 &&
      p.groups * phasesOf(p, transposed) <= 65_535 &&
      (!transposed || ((p.strideY === 1 || p.dilationY === 1) && (p.strideX === 1 || p.dilationX === 1))),
    suits: (p) => p.batch * p.oh * p.ow * p.kh * p.kw * (p.cin / p.groups) * p.cout >= 16_384,
    tiles: (p) => {
      const rows = pixels(p, transposed) <= 8 ? 8 : 32;
      return [{ rows }, { rows: 40 - rows }];
    },
    scratch: (p) => {
      const { k, columns, source, target, taps, panels } = sizes(p);
      return {
        ...(k % 4 !== 0 && { srcPadded: 4 * source.rows * ceil4(k) }),
        ...(columns % 4 !== 0 && { dstPadded: 4 * target.rows * ceil4(columns) }),
        arranged: 4 * LANE_COLUMNS * p.groups * panels * taps * ceil4(k / p.groups),
      };
    },
    passes: (p, tile) => {
      const rows = Number(tile.rows);
      const { k, columns, source, target, taps, panels } = sizes(p);
      const [k4, columns4] = [ceil4(k), ceil4(columns)];
      const passes: Pass[] = [];
      if (k % 4 !== 0) passes.push(repitch(src, 'srcPadded', { ...source, toRows: source.rows, toColumns: k4 }));
      passes.push({
        source: wgsl(import.meta.url, 'arrange-weights.wgsl'),
        constants: { TRANSPOSED: transposed },
        params: { taps, depth: ceil4(k / p.groups), panels },
        workgroups: workgroupsFor(p.groups * panels * taps * ceil4(k / p.groups) * 8, 64),
      });
      const slopeOnly = isSlopeOnly(p.activation);
      passes.push({
        source: generated(import.meta.url, `conv/lanes-${rows}`, () => laneConvText(rows)),
        bind: {
          src: k % 4 !== 0 ? 'srcPadded' : src,
          dst: columns % 4 !== 0 ? 'dstPadded' : dst,
          weight: 'arranged',
        },
        params: {
          ...packed(p),
          srcH: transposed ? p.oh : p.h,
          srcW: transposed ? p.ow : p.w,
          srcC: k4 / 4,
          dstH: transposed ? p.h : p.oh,
          dstW: transposed ? p.w : p.ow,
          dstC: columns4 / 4,
          depth: k4 / 4 / p.groups,
          columns: columns4 / 4 / p.groups,
          transposed: Number(transposed),
          slope: slopeOnly ? p.slope : 1,
        },
        workgroups: [Math.ceil(pixels(p, transposed) / rows), panels, p.groups * phasesOf(p, transposed)],
      });
      if (columns % 4 !== 0) {
        passes.push(
          repitch('dstPadded', dst, { ...target, columns: columns4, toRows: target.rows, toColumns: columns }),
        );
      }
      if (!slopeOnly) passes.push({ ...activationPass(p.activation, target.rows * columns), bind: { out: dst } });
      return passes;
    },
  };
}

export const laneConv2d = laneConv(false);
export const laneConv2dInputGradient = laneConv(true);
