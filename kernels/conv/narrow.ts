import { hasLanes } from '../common/lanes.ts';
import { requiresTextures } from '../common/vec4-input.ts';
import { generated } from '../kernel.ts';
import { LANE_COLUMNS, laneMultiplyAdd, lines, range } from '../matmul/lane-tile.ts';
import { type Channels, type GatherRung, gatherText, gatherVariant, meetSource, type Reads } from './gather.ts';

/** `pixels` by eights × `columns`; see the text's own first lines. */
function narrowConvText(pixels: number, columns: number, { depth, padded, odd, rows }: Channels, reads: Reads): string {
  const few = depth > 0;
  const single = few && !padded;
  // Vectors of four columns of a step's weights (four k, or all there are), and the loads that bring them.
  const wide = columns / 4;
  const vectors = (few ? depth : 4) * wide;
  const loads = Math.ceil((rows ? columns : vectors) / 8);
  const weightOf = (k: number, c: number): string => {
    if (rows) {
      const four = range(4).map((i) => `subgroupBroadcast(b${c >> 1}[${k}], ${4 * (c & 1) + i}u)`);
      return `vec4f(${four.join(', ')})`;
    }
    const j = (k * columns) / 4 + c;
    return `subgroupBroadcast(b${j >> 3}, ${j & 7}u)`;
  };
  const source = (g: number): string =>
    single
      ? range(depth)
          .map((k) => `let a${g}_${k} = select(0.0, src[at${g} + ${k}u], hit${g});`)
          .join(' ')
      : `let a${g} = select(vec4f(0.0), loadSrc(at${g}${few ? '' : ' + k'}), hit${g});`;
  const product = (g: number, c: number): string =>
    few
      ? `c${g}_${c} = c${g}_${c}${range(depth)
          .map((k) => ` + a${g}${single ? '_' : '.'}${single ? k : 'xyz'[k]} * w${k}`)
          .join('')};`
      : `c${g}_${c} = multiplyAdd(c${g}_${c}, a${g}, w0, w1, w2, w3);`;
  const step = lines(
    columns / 4,
    '        ',
    (c) => `{
          ${range(few ? depth : 4)
            .map((k) => `let w${k} = ${weightOf(k, c)};`)
            .join(' ')}
          ${range(pixels)
            .map((g) => product(g, c))
            .join('\n          ')}
        }`,
  );
  const products = `${lines(pixels, '    ', source)}
${lines(loads, '    ', (q) => `let b${q} = loadWeight(weightAt + ${rows ? `row${q}Weights` : `${(8 / wide) * q}u * pitch`});`)}
${step}`;
  // A tap has a step or two: nothing goes round within it.
  const tapLoops = `  var y = 0;
  for (var ky = walk.firstTap.x; ky < window.x; ky += walk.tapStep.x) {
    var x = 0;
    for (var kx = walk.firstTap.y; kx < window.y; kx += walk.tapStep.y) {
${lines(pixels, '      ', (g) => meetSource(g, 'vec2i(y, x)'))}
      let weightAt = panelAt + u32(ky * window.y + kx) * params.depth * ${few ? depth : 4}u * pitch;
${products}
      x += walk.advance.y;
    }
    y += walk.advance.x;
  }`;
  // Taps and channels in one loop, as in lanes.ts.
  const flatLoop = `  let taps = max(vec2i(0), (window - walk.firstTap + walk.tapStep - 1) / walk.tapStep);
  let steps = u32(taps.x * taps.y) * params.depth;
  var tap = vec2i(0);
  var k = params.depth;
  var weightAt = 0u;
  for (var step = 0u; step < steps; step++) {
    if (k == params.depth) {
      k = 0u;
      let offset = tap * walk.advance;
      let origin = walk.firstTap + tap * walk.tapStep;
      weightAt = ${rows ? 'u32(origin.x * window.y + origin.y) * channels * params.depth' : 'panelAt + u32(origin.x * window.y + origin.y) * params.depth * 4u * pitch'};
${lines(pixels, '      ', (g) => meetSource(g, 'offset'))}
      tap.y++;
      if (tap.y == taps.y) { tap = vec2i(tap.x + 1, 0); }
    }
${products}
    weightAt += ${rows ? '1u' : '4u * pitch'};
    k++;
  }`;
  return `${single ? requiresTextures(reads.weight) : requiresTextures(reads.src, reads.weight)}// conv2d and conv2dInputGradient: dst[pixel, c] = f(Σ_{tap, k} src[pixel of tap, k] · weight[tap][k][c] + bias[c]), one subgroup
// of 8 lanes per tile of ${8 * pixels} destination pixels × ${columns} channels. Here the lanes hold pixels, their own results among them,
// and weights reach them by broadcast: few destination channels leave no lane idle, as the columns of \`lanes\` would.
// ${single ? `The ${depth} source channels are read one by one` : few ? `The ${depth} source channels come in a vec4` : 'Source channels come in vec4'}; ${odd ? 'results are stored one by one' : 'results are stored in vec4'}.
requires immediate_address_space;
enable subgroups;
${gatherText(reads, single ? 'f32' : 'vec4f', odd ? 'f32' : 'vec4f')}
fn store(row: u32, group: u32, column: u32, value: vec4f) {
  if (row == NOWHERE) { return; }
  let result = activated(value);
${
  odd
    ? lines(4, '  ', (i) => `if (column + ${i}u < params.columns) { dst[row + column + ${i}u] = result[${i}]; }`)
    : '  if (column < params.columns) { dst[row + group * params.columns + column] = result; }'
}
}
${few ? '' : laneMultiplyAdd}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let window = pair(params.window);
  let size = vec2i(i32(params.srcH), i32(params.srcW));
  let walk = walkOf(wid.z);
  let group = walk.group;
  let firstDepth = group * params.depth;
${
  rows
    ? `  // The lanes hold channels of the destination, four of the source each.
  let channels = ${odd ? 'params.columns' : '4u * params.columns'};
${lines(loads, '  ', (q) => `let row${q}Weights = min(wid.y * ${columns}u + ${8 * q}u + lane, channels - 1u) * params.depth;`)}`
    : `  let natural = params.panels == 0u;
  let pitch = select(${wide}u, params.columns, natural);
  let panel = (group * params.panels + wid.y) * u32(window.x * window.y) * params.depth * ${vectors}u;
  let panelAt = select(panel, min(wid.y * ${wide}u, params.columns - 1u), natural) + lane / ${wide}u * pitch + lane % ${wide}u;`
}
${lines(pixels, '  ', (g) => `let row${g} = rowAt(wid.x * ${8 * pixels}u + ${8 * g}u + lane, walk);`)}
${lines(pixels, '  ', (g) =>
  range(columns / 4)
    .map((c) => `var c${g}_${c} = vec4f(0.0);`)
    .join(' '),
)}
${lines(
  pixels,
  '  ',
  (g) => `var hit${g} = false;
  var at${g} = 0u;`,
)}
${few ? tapLoops : flatLoop}
${lines(columns / 4, '  ', (c) => {
  const column = `wid.y * ${odd ? columns : columns / 4}u + ${odd ? 4 * c : c}u`;
  const first = odd ? `(${column}) / 4u` : `group * params.columns + min(${column}, params.columns - 1u)`;
  const stores = range(pixels).map((g) => `store(row${g}.out, group, ${column}, c${g}_${c} + start);`);
  return `{
    let start = bias[${first}];
    ${stores.join('\n    ')}
  }`;
})}
}
`;
}

/** By width: pixels, in eights, that keep a step's loads and accumulators within what the instruction cache holds. */
const TILES = [
  { columns: 4, pixels: 8 },
  { columns: 8, pixels: 8 },
  { columns: 16, pixels: 12 },
  { columns: 32, pixels: 4 },
] as const;

/**
 * Multiply-adds from which two or three channels are padded to a vec4: one load from a texture takes half the time of three from
 * a buffer, and pays for the dispatch that pads (3 → 16, 7 × 7 to 64 × 64: 0.79 ms and 0.61; 4 × 4 to 32 × 32: 0.24 and 0.41).
 */
const PADDED_WORK = 2 ** 22;

const narrow: GatherRung = {
  name: 'narrow',
  adds: 'pixels in the lanes and weights by broadcast, 4 to 32 channels wide: for the first and last layers',
  supports: hasLanes,
  suits: (products, traits, depth, columns) =>
    traits.family === 'lanes' &&
    products >= 16_384 &&
    // Three channels padded to four, read from a texture, are faster in `lanes` where its columns are full (3 → 64@112: 10.0
    // ms instead of 13.9).
    (columns <= 16 || (depth < 4 && !(traits.textures && columns >= LANE_COLUMNS))),
  tiles: ({ columns, depth, src, work }) => {
    const fitting = TILES.findIndex((tile) => tile.columns >= columns);
    const best = TILES[fitting < 0 ? TILES.length - 1 : fitting];
    const tiles = [best, ...TILES.filter((tile) => tile !== best && tile.columns < 2 * columns)];
    if ((depth !== 2 && depth !== 3) || best.columns > 16) return tiles;
    const padded = { ...best, padded: 1 };
    return src === 'texture' && work >= PADDED_WORK ? [padded, ...tiles] : [...tiles, padded];
  },
  source: ({ pixels, columns }, channels, reads) =>
    generated(
      import.meta.url,
      `conv/narrow-${8 * Number(pixels)}x${columns}-${channels.depth}${channels.padded ? 'padded' : ''}${channels.odd}${channels.rows ? '-rows' : ''}-${reads.src}-${reads.weight}`,
      () => narrowConvText(Number(pixels), Number(columns), channels, reads),
    ),
  shape: ({ pixels, columns }) => ({ rows: 8 * Number(pixels), columns: Number(columns) }),
  narrow: true,
  natural: true,
};

export const narrowConv2d = gatherVariant(narrow, 'forward');
export const narrowConv2dInputGradient = gatherVariant(narrow, 'transposed');
