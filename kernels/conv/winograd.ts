import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { type DeviceTraits, generated, type Pass, type Variant } from '../kernel.ts';
import { laneProduct } from '../matmul/lanes.ts';
import { hasLanes } from './gather.ts';
import type { ConvParam } from './geometry.ts';

/**
 * Winograd's minimal filtering F(4 × 4, 3 × 3) (Lavin & Gray 2016, arXiv 1509.09308): Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for 4 × 4
 * outputs from 6 × 6 inputs, 36 products for 144. The element-wise products over channels are 36 matrix products.
 */
const BT = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];
const AT = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
];
const G = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];

const SIX = [0, 1, 2, 3, 4, 5];
const lines = (n: readonly number[], text: (i: number) => string): string => n.map((i) => `  ${text(i)}`).join('\n');
const number = (value: number): string => (Number.isInteger(value) ? `${value}.0` : `${value}`);

/** Σ row[k] · name_k, zeros left out. */
const combination = (row: readonly number[], name: string): string =>
  row
    .map((c, k) => (c === 0 ? '' : `${number(c)} * ${name}${k}`))
    .filter(Boolean)
    .join(' + ');

/** Lane j's coefficients of a matrix, and Σ_k matrix[j][k] · (lane k's value): the transform along a line, by broadcast. */
const laneCoefficients = (matrix: readonly (readonly number[])[]): string =>
  lines(SIX, (k) => {
    const column = [...SIX, 6, 7].map((j) => number(matrix[j]?.[k] ?? 0));
    return `let w${k} = array<f32, 8>(${column.join(', ')})[lane];`;
  });
const acrossLanes = (name: string): string => SIX.map((k) => `w${k} * subgroupBroadcast(${name}, ${k}u)`).join(' + ');

const head = `requires immediate_address_space;
enable subgroups;

struct Params { h: u32, w: u32, channels: u32, across: u32, down: u32, firstTile: u32, tiles: u32, padY: i32, padX: i32, slope: f32 }
var<immediate> params: Params;
`;

const inputText =
  (): string => `// Winograd input transform: V[6i + j][tile][c] = (Bᵀ d B)[i][j] of the 6 × 6 pixels d that the tile's 4 × 4 outputs see, zeros outside.
// 8 lanes per tile and four channels; lane j < 6 holds column j.
${head}
@group(0) @binding(0) var<storage, read> src: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> transformed: array<vec4f>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = params.firstTile + wid.y;
  let n = tile / (params.across * params.down);
  let x = i32(tile % params.across * 4u + lane) - params.padX;
  let top = i32(tile / params.across % params.down * 4u) - params.padY;
  let inside = x >= 0 && x < i32(params.w) && lane < 6u;
${lines(SIX, (r) => `let y${r} = top + ${r};\n  let hit${r} = inside && y${r} >= 0 && y${r} < i32(params.h);\n  let d${r} = select(vec4f(0.0), src[select(0u, ((n * params.h + u32(y${r})) * params.w + u32(x)) * params.channels + wid.x, hit${r})], hit${r});`)}
${lines(SIX, (i) => `let v${i} = ${combination(BT[i], 'd')};`)}
${laneCoefficients(BT)}
${lines(SIX, (i) => `let t${i} = ${acrossLanes(`v${i}`)};`)}
  if (lane < 6u) {
${lines(SIX, (i) => `  transformed[((${6 * i}u + lane) * params.tiles + wid.y) * params.channels + wid.x] = t${i};`)}
  }
}
`;

const outputText =
  (): string => `// Winograd output transform: dst[4·tile + (i, j), c] = f((Aᵀ M A)[i][j] + bias[c]) from M[6i + j][tile][c]. 8 lanes per tile and four
// channels; lane j holds column j of M, then of the output.
${head}
@group(0) @binding(0) var<storage, read> products: array<vec4f>;
@group(0) @binding(1) var<storage, read> bias: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dst: array<vec4f>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = params.firstTile + wid.y;
  let n = tile / (params.across * params.down);
  let x = tile % params.across * 4u + lane;
  let top = tile / params.across % params.down * 4u;
  let j = min(lane, 5u);
${lines(SIX, (r) => `let d${r} = products[((${6 * r}u + j) * params.tiles + wid.y) * params.channels + wid.x];`)}
${lines([0, 1, 2, 3], (i) => `let v${i} = ${combination(AT[i], 'd')};`)}
${laneCoefficients(AT)}
${lines([0, 1, 2, 3], (i) => `let t${i} = bias[wid.x] + (${acrossLanes(`v${i}`)});`)}
  if (lane < 4u && x < params.w) {
${lines([0, 1, 2, 3], (i) => `  if (top + ${i}u < params.h) { dst[((n * params.h + top + ${i}u) * params.w + x) * params.channels + wid.x] = select(params.slope * t${i}, t${i}, t${i} > vec4f(0.0)); }`)}
  }
}
`;

const weightText = (
  flipped: boolean,
): string => `// Winograd filter transform: U[6i + j][ci][co] = (G g Gᵀ)[i][j]${flipped ? ', g turned by half a turn: for the input gradient' : ''}. One invocation: line i, four co.
requires immediate_address_space;

struct Params { cin: u32, cout: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> weight: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> filters: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let size = params.cin * params.cout / 4u;
  let at = wid.x * 64u + lane;
  let i = wid.y;
  if (at >= size) { return; }
  let g = array<vec3f, 6>(${G.map((row) => `vec3f(${row.map(number).join(', ')})`).join(', ')})[i];
${lines([0, 1, 2], (b) => {
  const tap = (a: number): number => (flipped ? 8 - (3 * a + b) : 3 * a + b);
  return `let c${b} = g.x * weight[${tap(0)}u * size + at] + g.y * weight[${tap(1)}u * size + at] + g.z * weight[${tap(2)}u * size + at];`;
})}
${lines(SIX, (j) => `filters[(6u * i + ${j}u) * size + at] = ${combination(G[j], 'c')};`)}
}
`;

type Params = Readonly<Record<ConvParam, number>>;

/** Of transformed input or of products, whichever is larger. */
const CHUNK_BYTES = 12 * 2 ** 20;

const tilesOf = (h: number, w: number, batch: number) => {
  const [down, across] = [Math.ceil(h / 4), Math.ceil(w / 4)];
  return { down, across, tiles: batch * down * across };
};

function winograd(transposed: boolean): Variant<ConvParam> {
  const sides = (p: Params) => {
    const [dstH, dstW] = transposed ? [p.h, p.w] : [p.oh, p.ow];
    return {
      ...tilesOf(dstH, dstW, p.batch),
      src: transposed
        ? { name: 'y', h: p.oh, w: p.ow, channels: p.cout }
        : { name: 'x', h: p.h, w: p.w, channels: p.cin },
      dst: transposed
        ? { name: 'x', h: dstH, w: dstW, channels: p.cin }
        : { name: 'y', h: dstH, w: dstW, channels: p.cout },
    };
  };
  /** Tiles that go through the three passes together: what stands between the passes stays small, and in the cache. */
  const chunkOf = (p: Params): number =>
    Math.min(sides(p).tiles, Math.max(32, Math.floor(CHUNK_BYTES / (4 * 36 * Math.max(p.cin, p.cout)) / 32) * 32));
  return {
    name: 'winograd',
    adds: '3 × 3 at stride 1 with a quarter of the products, by F(4 × 4, 3 × 3); rounding error about ten times larger (1e-5 of the largest value)',
    supports: (p, traits: DeviceTraits) =>
      hasLanes(traits) &&
      p.kh === 3 &&
      p.kw === 3 &&
      p.strideY * p.strideX * p.dilationY * p.dilationX * p.groups === 1 &&
      Math.max(p.paddingY, p.paddingX) <= 2 &&
      p.cin % 4 === 0 &&
      p.cout % 4 === 0,
    // Below that the transforms cost what the products save.
    suits: (p, traits) => traits.winograd && p.cin >= 64 && p.cout >= 64 && sides(p).tiles >= 32,
    scratch: (p) => {
      const { src, dst } = sides(p);
      return {
        filters: 4 * 36 * p.cin * p.cout,
        transformed: 4 * 36 * chunkOf(p) * src.channels,
        products: 4 * 36 * chunkOf(p) * dst.channels,
      };
    },
    passes: (p) => {
      const { src, dst, down, across, tiles } = sides(p);
      const slopeOnly = isSlopeOnly(p.activation);
      const [padY, padX] = transposed ? [2 - p.paddingY, 2 - p.paddingX] : [p.paddingY, p.paddingX];
      const passes: Pass[] = [
        {
          source: generated(import.meta.url, `conv/winograd-weights${transposed ? '-flipped' : ''}`, () =>
            weightText(transposed),
          ),
          params: { cin: p.cin, cout: p.cout },
          workgroups: [Math.ceil((p.cin * p.cout) / 256), 6],
        },
      ];
      const chunk = chunkOf(p);
      for (let firstTile = 0; firstTile < tiles; firstTile += chunk) {
        const count = Math.min(chunk, tiles - firstTile);
        const shared = { across, down, firstTile, tiles: count, padY, padX, slope: slopeOnly ? p.slope : 1 };
        passes.push(
          {
            source: generated(import.meta.url, 'conv/winograd-input', inputText),
            bind: { src: src.name },
            params: { ...shared, h: src.h, w: src.w, channels: src.channels / 4 },
            workgroups: [src.channels / 4, count],
          },
          laneProduct(transposed ? 'nt' : 'nn', {
            batch: 36,
            m: count,
            n: dst.channels,
            k: src.channels,
            bind: { left: 'transformed', right: 'filters', bias: '', out: 'products' },
          }),
          {
            source: generated(import.meta.url, 'conv/winograd-output', outputText),
            bind: { dst: dst.name },
            params: { ...shared, h: dst.h, w: dst.w, channels: dst.channels / 4 },
            workgroups: [dst.channels / 4, count],
          },
        );
      }
      if (!slopeOnly) {
        const size = p.batch * dst.h * dst.w * dst.channels;
        passes.push({ ...activationPass(p.activation, size), bind: { out: dst.name } });
      }
      return passes;
    },
  };
}

export const winogradConv2d = winograd(false);
export const winogradConv2dInputGradient = winograd(true);
