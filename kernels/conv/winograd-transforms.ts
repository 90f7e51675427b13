import { requiresTextures, type Via, vec4Input } from '../common/vec4-input.ts';
import { generated, type WgslSource } from '../kernel.ts';
import {
  algorithms,
  combination,
  lines,
  type Matrix,
  pick,
  range,
  type TileSide,
  transpose,
} from './winograd-algorithms.ts';

/** A tile's place: its picture, and the upper left of its m × m outputs. Where its numbers stand: strides in vec4. */
const tileText = (m: TileSide, more: string): string => `
struct Params { h: u32, w: u32, channels: u32, across: u32, down: u32, firstTile: u32, block: u32, row: u32, panel: u32, lane: u32, product: u32, ${more} }
var<immediate> params: Params;

struct Tile { picture: u32, top: u32, left: u32 }

fn tileAt(index: u32) -> Tile {
  return Tile(index / (params.across * params.down), index / params.across % params.down * ${m}u, index % params.across * ${m}u);
}

fn placeOf(tile: u32, panel: u32, lane: u32) -> u32 {
  return tile / 32u * params.block + tile % 32u * params.row + panel * params.panel + lane * params.lane;
}
`;

/**
 * T d Tᵀ of a matrix of vec4, as text. A loop takes the lines of d, each by T, into a queue of registers; another takes the
 * lines of the result out of it. So few loads and stores stand in the text: each is 230 instructions, which take 20 ms and
 * more to compile, and all of a tile's would leave the instruction cache (F(7 × 7), inputs of 256@28: 1.4 ms instead of 1.9
 * with sums in registers and n² stores after the loop, compiled in 0.7 s instead of 2.7).
 * `load(r, k)` is element (r, k), `store(i, j, value)` the statement that keeps one, r and i variables.
 */
function transformText(
  matrix: Matrix,
  load: (r: string, k: number) => string,
  store: (i: string, j: number, value: string) => string,
): string {
  const [q, p] = [matrix.length, matrix[0].length];
  return `${lines(p, (r) => lines(q, (j) => `  var u${r}_${j}: vec4f;`))}
  for (var r = 0u; r < ${p}u; r++) {
${lines(p, (k) => `    let d${k} = ${load('r', k)};`)}
${lines(p - 1, (r) => lines(q, (j) => `    u${r}_${j} = u${r + 1}_${j};`))}
${lines(q, (j) => `    u${p - 1}_${j} = ${combination(matrix[j], 'd')};`)}
  }
  for (var i = 0u; i < ${q}u; i++) {
${lines(p, (r) => `    let w${r} = ${pick(transpose(matrix)[r], 'i')};`)}
${lines(
  q,
  (j) =>
    `    let v${j} = ${range(p)
      .map((r) => `w${r} * u${r}_${j}`)
      .join(' + ')};`,
)}
${lines(q, (j) => `    ${store('i', j, `v${j}`)}`)}
  }`;
}

/**
 * A load of vec4 from a buffer is so many instructions that its misses do not overlap with the next one's: so one number of
 * every cache line, two per pixel, is read first, eight lines in a load (512@28 while others press on the memory: 26 ms
 * instead of 35). It must seem to matter, and never does: there are always channels.
 */
const touchText = (
  size: number,
): string => `fn touch(pictureAt: i32, top: i32, left: i32, channel: u32, lane: u32) -> f32 {
  let at = min(channel + lane % 2u * 4u, params.channels - 1u);
  var sum = 0.0;
  for (var r = 0; r < ${size}; r++) {
    let line = (pictureAt + clamp(top + r, 0, i32(params.h) - 1)) * i32(params.w);
    for (var k = 0; k < ${size}; k += 4) {
      sum += src[u32(line + clamp(left + k + i32(lane / 2u), 0, i32(params.w) - 1)) * params.channels + at].x;
    }
  }
  return sum;
}
`;

/** Pixels of a tile, spread to n² numbers: of the inputs it sees (Bᵀ d B), or of the gradient of its outputs (A ∂Y Aᵀ). */
function spreadText(m: TileSide, gradient: boolean, via: Via): string {
  const { input, output } = algorithms[m];
  const matrix = gradient ? transpose(output) : input;
  const n = m + 2;
  return `// Winograd transform of ${gradient ? `output gradients: W = A ∂Y Aᵀ of a tile's ${m} × ${m} pixels` : `inputs: V = Bᵀ d B of the ${n} × ${n} pixels that a tile's ${m} × ${m} outputs see`}, zeros outside.
// One subgroup of 8 lanes: a tile, 32 channels. Tiles past the last are zeros.
${requiresTextures(via)}requires immediate_address_space;
${tileText(m, 'allTiles: u32, padY: i32, padX: i32, first: u32')}
${vec4Input(0, 'src', via)}
@group(0) @binding(1) var<storage, read_write> transformed: array<vec4f>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = params.firstTile + wid.y;
  let tile = tileAt(index);
  let channel = wid.x * 8u + lane;
  let left = i32(tile.left) - params.padX;
  let top = i32(tile.top) - params.padY;
  let exists = index < params.allTiles && channel < params.channels;
  let pictureAt = i32(tile.picture * params.h);
${lines(matrix[0].length, (k) => `  let hit${k} = exists && left + ${k} >= 0 && left + ${k} < i32(params.w);`)}
  let out = placeOf(wid.y, wid.x, lane);
${via === 'buffer' ? '  let start = select(vec4f(0.0), vec4f(touch(pictureAt, top, left, wid.x * 8u, lane)), params.channels == 0u);' : ''}
${transformText(
  matrix,
  (r, k) => `pixel(pictureAt, top + i32(${r}), left + ${k}, channel, hit${k})`,
  (i, j, value) =>
    `transformed[(${n}u * ${i} + ${j}u) * params.product + out] = ${via === 'buffer' ? 'start + ' : ''}${value};`,
)}
}

${via === 'buffer' ? touchText(matrix[0].length) : ''}
fn pixel(pictureAt: i32, y: i32, x: i32, channel: u32, inLine: bool) -> vec4f {
  let hit = inLine && y >= 0 && y < i32(params.h);
  let at = select(params.first, u32((pictureAt + y) * i32(params.w) + x) * params.channels + channel, hit);
  return select(vec4f(0.0), loadSrc(at - params.first), hit);
}
`;
}

function outputText(m: TileSide): string {
  const n = m + 2;
  return `// Winograd output transform: dst = f(Aᵀ M A + bias) of a tile's products, M[product][tile][channel].
// One subgroup of 8 lanes: a tile, 32 channels.
requires immediate_address_space;
${tileText(m, 'slope: f32')}
@group(0) @binding(0) var<storage, read> products: array<vec4f>;
@group(0) @binding(1) var<storage, read> bias: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dst: array<vec4f>;

// As the input transform's: a tile's products lie in n² places of two cache lines each (512@28: 6.4 ms instead of 9.0).
fn touch(at: u32, lane: u32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < ${Math.ceil((n * n) / 4)}u; i++) {
    sum += products[at + (4u * i + lane / 2u) * params.product + lane % 2u * 4u].x;
  }
  return sum;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tileAt(params.firstTile + wid.y);
  let channel = wid.x * 8u + lane;
  let productAt = placeOf(wid.y, wid.x, lane);
  let start = select(bias[channel], vec4f(touch(productAt - lane * params.lane, lane)), params.channels == 0u);
  let firstLine = tile.picture * params.h + tile.top;
  let exists = channel < params.channels;
${transformText(
  algorithms[m].output,
  (r, k) => `products[(${n}u * ${r} + ${k}u) * params.product + productAt]`,
  (i, j, value) =>
    `if (exists && tile.top + ${i} < params.h && tile.left + ${j}u < params.w) { keep((firstLine + ${i}) * params.w + tile.left + ${j}u, channel, start + ${value}); }`,
)}
}

fn keep(pixel: u32, channel: u32, value: vec4f) {
  dst[pixel * params.channels + channel] = select(params.slope * value, value, value > vec4f(0.0));
}
`;
}

function filterText(m: TileSide, turned: boolean): string {
  const n = m + 2;
  const element = turned
    ? `let at = ((8u - tap) * params.cin + 4u * column) * params.cout + k;
  return vec4f(weight[at], weight[at + params.cout], weight[at + 2u * params.cout], weight[at + 3u * params.cout]);`
    : 'return weight[(tap * params.cin + k) * (params.cout / 4u) + column];';
  return `// Winograd filter transform: U = G g Gᵀ, ${turned ? 'g turned by half a turn and its channels exchanged: for the input gradient' : 'as the forward pass needs it'}.
// U[panel of columns][product][k][32 columns], k over ${turned ? 'output' : 'input'} channels, columns over ${turned ? 'input' : 'output'} channels. One subgroup of 8 lanes: a k, a panel.
requires immediate_address_space;

struct Params { cin: u32, cout: u32, panel: u32, product: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> weight: array<${turned ? 'f32' : 'vec4f'}>;
@group(0) @binding(1) var<storage, read_write> filters: array<vec4f>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = wid.y * 8u + lane;
  let out = wid.y * params.panel + wid.x * 8u + lane;
${transformText(
  algorithms[m].filter,
  (r, k) => `tapAt(3u * ${r} + ${k}u, wid.x, column)`,
  (i, j, value) => `filters[(${n}u * ${i} + ${j}u) * params.product + out] = ${value};`,
)}
}

fn tapAt(tap: u32, k: u32, column: u32) -> vec4f {
  if (4u * column >= params.${turned ? 'cin' : 'cout'}) { return vec4f(0.0); }
  ${element}
}
`;
}

function filterGradientText(m: TileSide): string {
  const n = m + 2;
  return `// Winograd filter gradient: weight = Gᵀ M G, added to what is there unless \`fresh\`. M[panel][ci][product][32 co].
// One subgroup of 8 lanes: a ci, a panel of co.
requires immediate_address_space;

struct Params { channels: u32, fresh: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> products: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> weight: array<vec4f>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = wid.y * 8u + lane;
  let productAt = (wid.y * count.x + wid.x) * ${8 * n * n}u + lane;
  let tapPitch = count.x * params.channels;
  let at = wid.x * params.channels + min(column, params.channels - 1u);
  let exists = column < params.channels;
  let fresh = params.fresh == 1u;
${transformText(
  transpose(algorithms[m].filter),
  (r, k) => `products[(${n}u * ${r} + ${k}u) * 8u + productAt]`,
  (i, j, value) => `if (exists) { keep((3u * ${i} + ${j}u) * tapPitch + at, ${value}, fresh); }`,
)}
}

fn keep(at: u32, value: vec4f, fresh: bool) {
  weight[at] = value + select(weight[at], vec4f(0.0), fresh);
}
`;
}

const source = (name: string, m: TileSide | string, text: () => string): WgslSource =>
  generated(import.meta.url, `conv/winograd-${name}-${m}`, text);

export const inputTransform = (m: TileSide, via: Via) =>
  source('input', `${m}-${via}`, () => spreadText(m, false, via));
export const gradientTransform = (m: TileSide, via: Via) =>
  source('gradient', `${m}-${via}`, () => spreadText(m, true, via));
export const outputTransform = (m: TileSide) => source('output', m, () => outputText(m));
export const filterTransform = (m: TileSide, turned: boolean) =>
  source(turned ? 'filter-turned' : 'filter', m, () => filterText(m, turned));
export const filterGradient = (m: TileSide) => source('filter-gradient', m, () => filterGradientText(m));
