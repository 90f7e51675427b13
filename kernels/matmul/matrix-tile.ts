import type { Constants, DeviceTraits } from '../kernel.ts';
import { type Arithmetic, type BlockTile, type Inner, SLAB, scalesBinding, threadsOf } from './tile.ts';

/** Sizes of one product of a subgroup: M × K by K × N. */
export type MatrixShape = NonNullable<DeviceTraits['subgroupMatrix']>;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Numbers after each line of a slab, so that neighbouring lines do not fall into the same banks. */
const PAD = 8;

/** Subgroups of a workgroup, and how they share a tile: `down` × `across` of them. The squarest that fits; none: undefined. */
function sharing(tile: BlockTile, { m, n }: MatrixShape, subgroup: number) {
  const subgroups = threadsOf(tile) / subgroup;
  if (!Number.isInteger(subgroups)) return undefined;
  const ways = range(subgroups)
    .map((i) => ({ down: i + 1, across: subgroups / (i + 1) }))
    .filter(({ down, across }) => tile.bm % (down * m) === 0 && tile.bn % (across * n) === 0);
  const edge = ({ down, across }: { down: number; across: number }): number => tile.bm / down + tile.bn / across;
  return ways.sort((a, b) => edge(a) - edge(b))[0];
}

/** Bytes of workgroup memory: both slabs twice in halves, and a result of each subgroup. */
function storage(tile: BlockTile, { m, n }: MatrixShape, subgroup: number): number {
  return 2 * 2 * SLAB * (tile.bm + tile.bn + 2 * PAD) + 4 * (threadsOf(tile) / subgroup) * m * n;
}

/** Those tiles that the device's matrix units can take, with what their text needs to know of the device. */
export function matrixTiles(tiles: readonly BlockTile[], traits: DeviceTraits): readonly Constants[] {
  const { subgroupMatrix: shape, subgroupMinSize: subgroup, subgroupMaxSize, maxWorkgroupStorage } = traits;
  if (!shape || subgroup !== subgroupMaxSize || SLAB % shape.k !== 0) return [];
  return tiles
    .filter((tile) => sharing(tile, shape, subgroup) && storage(tile, shape, subgroup) <= maxWorkgroupStorage)
    .map((tile) => ({ ...tile, ...shape, subgroup }));
}

function matrices(tile: BlockTile, shape: MatrixShape, subgroup: number): Inner {
  const { bm, bn } = tile;
  const { m, n, k } = shape;
  const way = sharing(tile, shape, subgroup);
  if (!way) throw new RangeError(`${threadsOf(tile) / subgroup} subgroups cannot share ${bm} × ${bn} by ${m} × ${n}.`);
  const rows = range(bm / way.down / m);
  const columns = range(bn / way.across / n);
  const [leftPitch, rightPitch] = [bm + PAD, bn + PAD];
  const keepText = (side: 'left' | 'right', pitch: number, scale: string): string => {
    const name = `keep${side[0].toUpperCase()}${side.slice(1)}`;
    const element = (q: number, i: number): string => `${side}Slab[at + ${q * pitch + i}u] = f16(scaled[${q}][${i}]);`;
    return `fn ${name}(line: u32, place: u32, block: mat4x4f) {
  let at = line * ${pitch}u + place * 4u;
  let scaled = block * scales[0].${scale};
${range(4)
  .map(
    (q) =>
      `  ${range(4)
        .map((i) => element(q, i))
        .join(' ')}`,
  )
  .join('\n')}
}`;
  };
  const load = (side: 'left' | 'right', i: number, step: number): string => {
    const [pitch, first, size, type, order] =
      side === 'left'
        ? [leftPitch, 'firstOfOwn.x', m, `subgroup_matrix_left<f16, ${k}, ${m}>`, 'col_major']
        : [rightPitch, 'firstOfOwn.y', n, `subgroup_matrix_right<f16, ${n}, ${k}>`, 'row_major'];
    const at = `line * ${pitch}u + ${first} + ${step * k * pitch + i * size}u`;
    return `subgroupMatrixLoad<${type}, ${order}>(&${side}Slab, ${at}, ${pitch}u)`;
  };
  const cells = rows.flatMap((r) => columns.map((c) => ({ r, c })));
  const vectors = (m * n) / 4;
  return {
    declarations: `
// [buffer][k][row or column], in halves: the left operand column by column, the right line by line.
var<workgroup> leftSlab: array<f16, ${2 * SLAB * leftPitch}>;
var<workgroup> rightSlab: array<f16, ${2 * SLAB * rightPitch}>;
var<workgroup> results: array<f32, ${way.down * way.across * m * n}>;
${scalesBinding}

${keepText('left', leftPitch, 'x')}

${keepText('right', rightPitch, 'y')}

/** Vector \`v\` of a subgroup's result, whose first row and column are \`first\`. */
fn handOver(resultAt: u32, v: u32, first: vec2u, undo: vec2f) {
  let at = resultAt + v * 4u;
  let sum = vec4f(results[at], results[at + 1u], results[at + 2u], results[at + 3u]);
  let column4 = first.y / 4u + v % ${n / 4}u;
  store(first.x + v / ${n / 4}u, column4, sum * undo.x * undo.y + start(column4));
}`,
    begin: `  // Subgroups are runs of ${subgroup} invocations; this one has ${rows.length} × ${columns.length} results of ${m} × ${n} from here on.
  let own = thread / ${subgroup}u;
  let lane = thread % ${subgroup}u;
  let firstOfOwn = vec2u(own / ${way.across}u * ${bm / way.down}u, own % ${way.across}u * ${bn / way.across}u);
${cells.map(({ r, c }) => `  var c${r}_${c} = subgroup_matrix_result<f32, ${n}, ${m}>(0.0);`).join('\n')}`,
    multiply: `    {
      let line = buffer * ${SLAB}u;
${range(SLAB / k)
  .map(
    (step) => `${rows.map((r) => `      let a${step}_${r} = ${load('left', r, step)};`).join('\n')}
${columns
  .map(
    (c) => `      let b${step}_${c} = ${load('right', c, step)};
${rows.map((r) => `      c${r}_${c} = subgroupMatrixMultiplyAccumulate(a${step}_${r}, b${step}_${c}, c${r}_${c});`).join('\n')}`,
  )
  .join('\n')}`,
  )
  .join('\n')}
    }`,
    end: `  let undo = scales[0].zw;
  let resultAt = own * ${m * n}u;
${cells
  .map(
    ({ r, c }) => `  subgroupMatrixStore<row_major>(&results, resultAt, c${r}_${c}, ${n}u);
  workgroupBarrier();
${range(Math.ceil(vectors / subgroup))
  .map(
    (i) =>
      `  ${vectors % subgroup === 0 ? '' : `if (lane + ${i * subgroup}u < ${vectors}u) `}{ handOver(resultAt, lane + ${i * subgroup}u, firstOfOwn + vec2u(${r * m}u, ${c * n}u), undo); }`,
  )
  .join('\n')}
  workgroupBarrier();`,
  )
  .join('\n')}`,
  };
}

/**
 * Operands rounded to halves, products by the device's matrix units (subgroup matrices, an experimental extension of
 * WebGPU), sums in f32. Needs subgroups of one size, which lie along the invocations in practice, not by promise.
 * `constants`: one of `matrixTiles`.
 */
export function matrixArithmetic(constants: Constants): Arithmetic {
  const [m, n, k, subgroup] = [constants.m, constants.n, constants.k, constants.subgroup].map(Number);
  return {
    // Each subgroup works at a place of its own, the same for all its invocations: the analysis knows of whole workgroups only.
    directives: `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);`,
    name: `matrix-half-${m}x${n}x${k}-${subgroup}`,
    inner: (tile) => matrices(tile, { m, n, k }, subgroup),
  };
}
