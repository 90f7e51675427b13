/**
 * The block tile of the `tiled` kernels, as text: a workgroup computes BM × BN elements, 8 × 8 per invocation, from slabs
 * of 16 k in workgroup memory. Slabs are double-buffered: while one is multiplied, the next is already on its way to
 * registers. Operands move as 4 × 4 blocks whose vectors run along the tile's side, so that storing and reading them
 * is by vec4 without bank conflicts; who loads along k transposes in registers.
 *
 * The kernel around it supplies `leftBlock(slot, block, k)` and `rightBlock(slot, block, k)`, each a mat4x4f whose column j holds
 * four neighbouring rows (columns) 4·block … of the tile at k + j, zeros outside; `prepare(slot, block)`, what a slot can
 * know before the loop; `store(row, column4, value)`, rows counted in the tile, and `firstK`, `lastK`.
 */
export interface BlockTile {
  readonly bm: number;
  readonly bn: number;
}

const SLAB = 16;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

export const threadsOf = ({ bm, bn }: BlockTile): number => (bm * bn) / 64;

/** 4 × 4 blocks that an invocation fetches per slab. */
export const slotsOf = (tile: BlockTile): number =>
  Math.ceil((((tile.bm + tile.bn) / 4) * (SLAB / 4)) / threadsOf(tile));

export function tileText(tile: BlockTile): string {
  const { bm, bn } = tile;
  const threads = threadsOf(tile);
  const across = bn / 8;
  const leftBlocks = (bm / 4) * (SLAB / 4);
  const blocks = leftBlocks + (bn / 4) * (SLAB / 4);
  const slots = range(slotsOf(tile));
  const slotIndex = (s: number): string => `(thread + ${s * threads}u)`;
  const guarded = (s: number, text: string): string =>
    (s + 1) * threads > blocks ? `if (${slotIndex(s)} < ${blocks}u) { ${text} }` : text;
  const rows = range(8);
  return `
const THREADS = ${threads}u;
var<workgroup> leftSlab: array<array<vec4f, ${(bm / 4) * SLAB}>, 2>;
var<workgroup> rightSlab: array<array<vec4f, ${(bn / 4) * SLAB}>, 2>;

// Block i of a slab: first those of the left operand, then the right; neighbouring invocations take neighbouring k.
fn fetch(slot: u32, i: u32, k: u32) -> mat4x4f {
  if (i < ${leftBlocks}u) { return leftBlock(slot, i / ${SLAB / 4}u, k + i % ${SLAB / 4}u * 4u); }
  let j = i - ${leftBlocks}u;
  return rightBlock(slot, j % ${bn / 4}u, k + j / ${bn / 4}u * 4u);
}

fn keep(buffer: u32, i: u32, block: mat4x4f) {
  for (var q = 0u; q < 4u; q++) {
    if (i < ${leftBlocks}u) {
      leftSlab[buffer][(i % ${SLAB / 4}u * 4u + q) * ${bm / 4}u + i / ${SLAB / 4}u] = block[q];
    } else {
      let j = i - ${leftBlocks}u;
      rightSlab[buffer][(j / ${bn / 4}u * 4u + q) * ${bn / 4}u + j % ${bn / 4}u] = block[q];
    }
  }
}

fn prepareSlot(slot: u32, i: u32) {
  if (i < ${leftBlocks}u) { prepare(slot, i / ${SLAB / 4}u); }
}

fn multiplyTile(thread: u32, firstK: u32, lastK: u32, start0: vec4f, start1: vec4f) {
  let tx = thread % ${across}u;
  let ty = thread / ${across}u;
${rows.map((r) => `  var c${r}0 = start0; var c${r}1 = start1;`).join('\n')}
${slots.map((s) => `  ${guarded(s, `prepareSlot(${s}u, ${slotIndex(s)});`)}`).join('\n')}
${slots.map((s) => `  var block${s}: mat4x4f;\n  ${guarded(s, `block${s} = fetch(${s}u, ${slotIndex(s)}, firstK); keep(0u, ${slotIndex(s)}, block${s});`)}`).join('\n')}
  workgroupBarrier();
  var buffer = 0u;
  for (var k = firstK; k < lastK; k += ${SLAB}u) {
    let more = k + ${SLAB}u < lastK;
    if (more) {
${slots.map((s) => `      ${guarded(s, `block${s} = fetch(${s}u, ${slotIndex(s)}, k + ${SLAB}u);`)}`).join('\n')}
    }
    for (var kk = 0u; kk < ${SLAB}u; kk++) {
      let a0 = leftSlab[buffer][kk * ${bm / 4}u + ty];
      let a1 = leftSlab[buffer][kk * ${bm / 4}u + ${bm / 8}u + ty];
      let b0 = rightSlab[buffer][kk * ${bn / 4}u + tx];
      let b1 = rightSlab[buffer][kk * ${bn / 4}u + ${bn / 8}u + tx];
${rows.map((r) => `      c${r}0 += a${r >> 2}[${r % 4}] * b0; c${r}1 += a${r >> 2}[${r % 4}] * b1;`).join('\n')}
    }
    buffer = 1u - buffer;
    if (more) {
${slots.map((s) => `      ${guarded(s, `keep(buffer, ${slotIndex(s)}, block${s});`)}`).join('\n')}
    }
    workgroupBarrier();
  }
${rows
  .map((r) => {
    const row = `ty * 4u + ${(r >> 2) * (bm / 2) + (r % 4)}u`;
    return `  store(${row}, tx, c${r}0); store(${row}, tx + ${bn / 8}u, c${r}1);`;
  })
  .join('\n')}
}
`;
}
