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

/**
 * Winograd's transforms for GPUs. An invocation transforms one tile (one filter) in a few neighbouring channels, and
 * neighbouring invocations take neighbouring channels, then the next tile: all that is stored between the passes,
 * [product][tile][channel], is read and written in whole lines whatever the number of channels. It holds a tile's n²
 * numbers in registers: for F(4 × 4) that is 36 vec2, where 36 vec4 would leave room for few invocations at a time.
 */
export const channelsTogether = (m: TileSide): number => ({ 2: 4, 4: 2, 5: 1, 6: 1, 7: 1 })[m];

/** Invocations of a workgroup. */
export const TRANSFORMS = 64;

/** Where an invocation is: its number and, for a tile's, the tile's picture and the upper left of its m × m outputs. */
const headText = (m: TileSide, more: string): string => `requires immediate_address_space;

alias Value = ${channelsTogether(m) === 1 ? 'f32' : `vec${channelsTogether(m)}f`};

struct Params { h: u32, w: u32, channels: u32, across: u32, down: u32, firstTile: u32, rows: u32, ${more} }
var<immediate> params: Params;

struct Tile { picture: u32, top: u32, left: u32 }

fn tileAt(index: u32) -> Tile {
  let line = index / params.across;
  return Tile(line / params.down, line % params.down * ${m}u, index % params.across * ${m}u);
}
`;

const mainText = `@compute @workgroup_size(${TRANSFORMS})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * ${TRANSFORMS}u + lane;`;

/**
 * T d Tᵀ of a matrix of Values, as text. One side is a loop: over the output's lines when T grows a small d, else over the
 * input's. `load(r, k)` is element (r, k), `store(i, j, value)` the statement that keeps one; r and i may be variables.
 * The form that was timed on an H200; CPUs have another, of less text (winograd-transforms.ts).
 */
function transformText(
  matrix: Matrix,
  load: (r: string, k: number) => string,
  store: (i: string, j: number, value: string) => string,
  start: (i: number, j: number) => string = () => 'vec4f(0.0)',
): string {
  const [q, p] = [matrix.length, matrix[0].length];
  const columns = transpose(matrix);
  if (q > p && p <= 4) {
    return `${lines(p, (r) => lines(p, (k) => `  let d${r}_${k} = ${load(`${r}u`, k)};`))}
  for (var i = 0u; i < ${q}u; i++) {
${lines(p, (r) => `    let w${r} = ${pick(columns[r], 'i')};`)}
${lines(
  p,
  (k) =>
    `    let v${k} = ${range(p)
      .map((r) => `w${r} * d${r}_${k}`)
      .join(' + ')};`,
)}
${lines(q, (j) => `    ${store('i', j, combination(matrix[j], 'v'))}`)}
  }`;
  }
  return `${lines(q, (i) => lines(q, (j) => `  var t${i}_${j} = ${start(i, j)};`))}
  for (var r = 0u; r < ${p}u; r++) {
${lines(p, (k) => `    let d${k} = ${load('r', k)};`)}
${lines(q, (j) => `    let v${j} = ${combination(matrix[j], 'd')};`)}
${lines(q, (i) => `    let w${i} = ${pick(matrix[i], 'r')};`)}
${lines(q, (i) => lines(q, (j) => `    t${i}_${j} += w${i} * v${j};`))}
  }
${lines(q, (i) => lines(q, (j) => `  ${store(`${i}u`, j, `t${i}_${j}`)}`))}`;
}

/** Pixels of a tile, spread to n² numbers: of the inputs it sees (Bᵀ d B), or of the gradient of its outputs (A ∂Y Aᵀ). */
function spreadText(m: TileSide, gradient: boolean): string {
  const { input, output } = algorithms[m];
  const n = m + 2;
  return `// Winograd transform of ${gradient ? `output gradients: W = A ∂Y Aᵀ of a tile's ${m} × ${m} pixels` : `inputs: V = Bᵀ d B of the ${n} × ${n} pixels that a tile's ${m} × ${m} outputs see`}, zeros outside.
// One invocation: a tile, a Value of channels. Tiles past the last are zeros. [product][tile][channel].
${headText(m, 'allTiles: u32, padY: i32, padX: i32')}
@group(0) @binding(0) var<storage, read> src: array<Value>;
@group(0) @binding(1) var<storage, read_write> transformed: array<Value>;

fn pixel(pictureAt: i32, y: i32, x: i32, channel: u32, exists: bool) -> Value {
  if (!exists || y < 0 || y >= i32(params.h) || x < 0 || x >= i32(params.w)) { return Value(0.0); }
  return src[u32((pictureAt + y) * i32(params.w) + x) * params.channels + channel];
}

${mainText}
  let row = index / params.channels;
  if (row >= params.rows) { return; }
  let channel = index % params.channels;
  let exists = params.firstTile + row < params.allTiles;
  let tile = tileAt(params.firstTile + row);
  let left = i32(tile.left) - params.padX;
  let top = i32(tile.top) - params.padY;
  let pictureAt = i32(tile.picture * params.h);
  let product = params.rows * params.channels;
${transformText(
  gradient ? transpose(output) : input,
  (r, k) => `pixel(pictureAt, top + i32(${r}), left + ${k}, channel, exists)`,
  (i, j, value) => `transformed[(${n}u * ${i} + ${j}u) * product + index] = ${value};`,
  () => 'Value(0.0)',
)}
}
`;
}

function outputText(m: TileSide): string {
  const n = m + 2;
  return `// Winograd output transform: dst = f(Aᵀ M A + bias) of a tile's products, M[product][tile][channel].
// One invocation: a tile, a Value of channels.
${headText(m, 'slope: f32')}
@group(0) @binding(0) var<storage, read> products: array<Value>;
@group(0) @binding(1) var<storage, read> bias: array<Value>;
@group(0) @binding(2) var<storage, read_write> dst: array<Value>;

fn keep(tile: Tile, y: u32, x: u32, channel: u32, value: Value) {
  let at = vec2u(tile.top + y, tile.left + x);
  if (at.x < params.h && at.y < params.w) {
    dst[((tile.picture * params.h + at.x) * params.w + at.y) * params.channels + channel] =
      select(params.slope * value, value, value > Value(0.0));
  }
}

${mainText}
  let row = index / params.channels;
  if (row >= params.rows) { return; }
  let channel = index % params.channels;
  let tile = tileAt(params.firstTile + row);
  let product = params.rows * params.channels;
  let start = bias[channel];
${transformText(
  algorithms[m].output,
  (r, k) => `products[(${n}u * ${r} + ${k}u) * product + index]`,
  (i, j, value) => `keep(tile, ${i}, ${j}u, channel, ${value});`,
  () => 'start',
)}
}
`;
}

/** Both sides in the order of the weights, [tap or product][ci][co]: an index into a tap is one into a product. */
const filterHead = (flag: string): string => `requires immediate_address_space;

// Of a tap, in vec4.
struct Params { pitch: u32, ${flag}: u32 }
var<immediate> params: Params;
`;

function filterText(m: TileSide): string {
  const n = m + 2;
  return `// Winograd filter transform: U = G g Gᵀ, [product][ci][co], g turned by half a turn where \`turned\`: for the input gradient.
// One invocation: four filters.
${filterHead('turned')}
@group(0) @binding(0) var<storage, read> weight: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> filters: array<vec4f>;

${mainText}
  if (index >= params.pitch) { return; }
  let turned = params.turned == 1u;
${transformText(
  algorithms[m].filter,
  (r, k) => `weight[select(3u * ${r} + ${k}u, 8u - 3u * ${r} - ${k}u, turned) * params.pitch + index]`,
  (i, j, value) => `filters[(${n}u * ${i} + ${j}u) * params.pitch + index] = ${value};`,
)}
}
`;
}

function filterGradientText(m: TileSide): string {
  const n = m + 2;
  return `// Winograd filter gradient: weight = Gᵀ M G, added to what is there unless \`fresh\`. M[product][ci][co].
// One invocation: four filters.
${filterHead('fresh')}
@group(0) @binding(0) var<storage, read> products: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> weight: array<vec4f>;

${mainText}
  if (index >= params.pitch) { return; }
  let fresh = params.fresh == 1u;
${transformText(
  transpose(algorithms[m].filter),
  (r, k) => `products[(${n}u * ${r} + ${k}u) * params.pitch + index]`,
  (i, j, value) => `weight[(3u * ${i} + ${j}u) * params.pitch + index] = ${value};`,
  (i, j) => `select(weight[${3 * i + j}u * params.pitch + index], vec4f(0.0), fresh)`,
)}
}
`;
}

const source = (name: string, m: TileSide, text: () => string): WgslSource =>
  generated(import.meta.url, `conv/winograd-tiled-${name}-${m}`, text);

export const inputTransform = (m: TileSide) => source('input', m, () => spreadText(m, false));
export const gradientTransform = (m: TileSide) => source('gradient', m, () => spreadText(m, true));
export const outputTransform = (m: TileSide) => source('output', m, () => outputText(m));
export const filterTransform = (m: TileSide) => source('filter', m, () => filterText(m));
export const filterGradient = (m: TileSide) => source('filter-gradient', m, () => filterGradientText(m));
