import { generated } from '../kernel.ts';
import { lines } from '../matmul/lane-tile.ts';
import { type GatherRung, gatherText, gatherVariant, meetSource } from './gather.ts';

/** Invocations to a pixel, pixels to an invocation, and pixels of a workgroup. */
const TEAM = 8;
const PIXELS = 4;
const SIZE = 64;
const ROWS = (SIZE / TEAM) * PIXELS;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function directConvText(columns: number, odd: boolean): string {
  const vectors = columns / 4;
  const sums = range(PIXELS).flatMap((g) =>
    range(vectors).map((c) => ({ name: `c${g}_${c}`, index: g * vectors + c })),
  );
  return `// conv2d and conv2dInputGradient: dst[pixel, c] = f(Σ_{tap, k} src[pixel of tap, k] · weight[tap][k][c] + bias[c]), for few c.
// A workgroup of ${SIZE}: ${ROWS} destination pixels × ${columns} channels. ${TEAM} neighbouring invocations share ${PIXELS} neighbouring pixels, each with every
// ${TEAM}th vec4 of their source channels, so that loads are of whole lines; then the team's sums are joined, in order.
requires immediate_address_space;
${gatherText(undefined, 'vec4f', odd ? 'f32' : 'vec4f')}
var<workgroup> partial: array<vec4f, ${sums.length * SIZE}>; // [pixel of the invocation][vec4 of columns][invocation]

fn store(row: u32, group: u32, panel: u32, c: u32, value: vec4f) {
  if (row == NOWHERE) { return; }
${
  odd
    ? `  let column = panel * ${columns}u + 4u * c;
  let result = activated(value + bias[column / 4u]);
${lines(4, '  ', (i) => `if (column + ${i}u < params.columns) { dst[row + column + ${i}u] = result[${i}]; }`)}`
    : `  let column = panel * ${vectors}u + c;
  if (column < params.columns) {
    let at = group * params.columns + column;
    dst[row + at] = activated(value + bias[at]);
  }`
}
}

@compute @workgroup_size(${SIZE})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let window = pair(params.window);
  let size = vec2i(i32(params.srcH), i32(params.srcW));
  let walk = walkOf(wid.z);
  let member = lane % ${TEAM}u;
  let team = lane / ${TEAM}u;
  let firstPixel = wid.x * ${ROWS}u + team * ${PIXELS}u;
  let firstDepth = walk.group * params.depth;
  let panelAt = (walk.group * params.panels + wid.y) * u32(window.x * window.y) * params.depth * ${4 * vectors}u;
${lines(PIXELS, '  ', (g) => `let row${g} = rowAt(firstPixel + ${g}u, walk);`)}
${sums.map(({ name }) => `  var ${name} = vec4f(0.0);`).join('\n')}
  var y = 0;
  for (var ky = walk.firstTap.x; ky < window.x; ky += walk.tapStep.x) {
    var x = 0;
    for (var kx = walk.firstTap.y; kx < window.y; kx += walk.tapStep.y) {
${lines(PIXELS, '      ', (g) => meetSource(g, 'vec2i(y, x)', 'let '))}
      let weightAt = panelAt + u32(ky * window.y + kx) * params.depth * ${4 * vectors}u;
      for (var k = member; k < params.depth; k += ${TEAM}u) {
${lines(PIXELS, '        ', (g) => `let a${g} = select(vec4f(0.0), src[at${g} + k], hit${g});`)}
${lines(
  vectors,
  '        ',
  (c) => `{
${lines(4, '          ', (i) => `let w${i} = weight[weightAt + (4u * k + ${i}u) * ${vectors}u + ${c}u];`)}
${lines(PIXELS, '          ', (g) => `c${g}_${c} += a${g}.x * w0 + a${g}.y * w1 + a${g}.z * w2 + a${g}.w * w3;`)}
        }`,
)}
      }
      x += walk.advance.y;
    }
    y += walk.advance.x;
  }
${sums.map(({ name, index }) => `  partial[${index * SIZE}u + lane] = ${name};`).join('\n')}
  workgroupBarrier();
  for (var sum = member; sum < ${sums.length}u; sum += ${TEAM}u) {
    var value = vec4f(0.0);
    for (var m = 0u; m < ${TEAM}u; m++) { value += partial[sum * ${SIZE}u + team * ${TEAM}u + m]; }
    store(rowAt(firstPixel + sum / ${vectors}u, walk).out, walk.group, wid.y, sum % ${vectors}u, value);
  }
}
`;
}

const direct = (transposed: boolean): GatherRung => ({
  name: 'direct',
  family: 'tiled',
  adds: 'few output channels, 8 invocations to a pixel: for GPUs, whose tiles are 64 channels wide',
  supports: (_traits, p) => (transposed ? p.cout : p.cin) >= 4,
  suits: (products, traits, depth, columns) =>
    traits.family === 'tiled' && products >= 262_144 && columns <= 8 && depth >= 16,
  tiles: ({ columns }) => (columns <= 4 ? [{ columns: 4 }, { columns: 8 }] : [{ columns: 8 }]),
  source: ({ columns }, { odd }) =>
    generated(import.meta.url, `conv/direct-${columns}${odd}`, () => directConvText(Number(columns), odd)),
  shape: ({ columns }) => ({ rows: ROWS, columns: Number(columns) }),
  narrow: true,
});

export const directConv2d = gatherVariant(direct(false), 'forward');
export const directConv2dInputGradient = gatherVariant(direct(true), 'transposed');
