import { type DeviceTraits, generated, type Variant } from '../kernel.ts';
import { lines } from '../matmul/lane-tile.ts';

/** Invocations of the only workgroup. */
const sizeOf = ({ maxInvocations }: DeviceTraits): number => (maxInvocations >= 512 ? 512 : 256);

/** vec4 that an invocation holds at most: more would not fit its registers. */
const HELD = 16;

/** Invocations across the columns, four to each, and rows that one of them holds. */
function shapeOf({ rows, columns }: Readonly<Record<'rows' | 'columns', number>>, size: number) {
  const across = 2 ** Math.ceil(Math.log2(columns / 4));
  return { size, across, held: Math.ceil((rows * across) / size) };
}

function text({ size, across, held }: ReturnType<typeof shapeOf>): string {
  const down = size / across;
  return `// orthonormalise as in orthonormalise.wgsl, for GPUs: one workgroup holds the whole matrix in registers, ${across} invocations across
// (four columns each) × ${down} down (every ${down}th row, ${held} in all). The column being taken out goes round through workgroup memory; its
// products with all others and its own norm come from one sum, joined by halves.
requires immediate_address_space;

struct Params { rows: u32, columns: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> matrix: array<vec4f>;

var<workgroup> partial: array<vec4f, ${size}>;
var<workgroup> taken: array<f32, ${held * down}>;

@compute @workgroup_size(${size})
fn main(@builtin(local_invocation_index) lane: u32) {
  let width = params.columns / 4u;
  let c = lane % ${across}u;
  let line = lane / ${across}u;
  let exists = c < width;
  let column = vec4u(4u * c) + vec4u(0u, 1u, 2u, 3u);
${lines(held, '  ', (i) => `var a${i} = vec4f(0.0);\n  if (exists && line + ${i * down}u < params.rows) { a${i} = matrix[(line + ${i * down}u) * width + c]; }`)}
  for (var step = 0u; step < 2u * params.columns; step++) {
    let j = step % params.columns;
    let own = select(vec4f(0.0), vec4f(1.0), column == vec4u(j));
    if (c == j / 4u) {
${lines(held, '      ', (i) => `taken[line + ${i * down}u] = dot(a${i}, own);`)}
    }
    workgroupBarrier();
    var overlap = vec4f(0.0);
${lines(held, '    ', (i) => `let t${i} = taken[line + ${i * down}u]; overlap += t${i} * a${i};`)}
    partial[lane] = overlap;
    workgroupBarrier();
    for (var half = ${down / 2}u; half > 0u; half /= 2u) {
      if (line < half) { partial[lane] += partial[lane + half * ${across}u]; }
      workgroupBarrier();
    }
    let square = partial[j / 4u][j % 4u];
    let scale = 1.0 / sqrt(square);
    // Columns left of j are done.
    let factor = select(vec4f(0.0), partial[c] / square, column > vec4u(j));
${lines(held, '    ', (i) => `a${i} = select(a${i} - factor * t${i}, vec4f(scale * t${i}), column == vec4u(j));`)}
  }
${lines(held, '  ', (i) => `if (exists && line + ${i * down}u < params.rows) { matrix[(line + ${i * down}u) * width + c] = a${i}; }`)}
}
`;
}

export const registersVariant: Variant<'rows' | 'columns'> = {
  name: 'registers',
  adds: 'GPUs: the whole matrix in the registers of one workgroup',
  supports: ({ rows, columns }, traits) =>
    columns % 4 === 0 && columns <= 4 * sizeOf(traits) && shapeOf({ rows, columns }, sizeOf(traits)).held <= HELD,
  suits: (_params, { family }) => family === 'tiled',
  passes: (p, _tile, traits) => {
    const shape = shapeOf(p, sizeOf(traits));
    const key = `spectral/orthonormalise-registers-${shape.size}-${shape.across}-${shape.held}`;
    return [{ source: generated(import.meta.url, key, () => text(shape)), workgroups: [1] }];
  },
};
