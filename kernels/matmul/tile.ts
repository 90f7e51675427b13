import type { Constants } from '../kernel.ts';

/**
 * The block tile of the `tiled` kernels, as text: a workgroup computes BM × BN elements, 8 × 8 or 4 × 4 per invocation, from
 * slabs of 16 k in workgroup memory. Slabs are double-buffered: while one is multiplied, the next is already on its way to
 * registers. Operands move as 4 × 4 blocks whose vectors run along the tile's side, so that a slab is stored and read by
 * vec4; who loads along k transposes in registers.
 *
 * The kernel around it supplies `leftBlock(slot, block, k)` and `rightBlock(slot, block, k)`, each a mat4x4f whose column j holds
 * four neighbouring rows (columns) 4·block … of the tile at k + j, zeros outside; `prepare(slot, block)`, what can be known
 * of a left block before the loop; `start(column4)`, from where the sums of four columns start; and `store(row, column4, value)`.
 * Rows and columns are counted in the tile. With halves it also binds `scales` (half-scales.wgsl). Where BN is at least 64,
 * an invocation has no more than one left block, in slot 0: what `prepare` finds fits plain variables, which stay in
 * registers as an array indexed by the slot might not.
 */
export interface BlockTile {
  readonly bm: number;
  readonly bn: number;
  /** An invocation computes micro × micro: 8 reads least from workgroup memory, 4 has more invocations for small grids. */
  readonly micro: number;
}

/** k of a slab. */
export const SLAB = 16;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

export const threadsOf = ({ bm, bn, micro }: BlockTile): number => (bm * bn) / micro ** 2;

/** In the names of texts. */
export const nameOf = ({ bm, bn, micro }: BlockTile, { name }: Arithmetic): string => `${name}-${bm}x${bn}x${micro}`;

/** The tile among a variant's constants. */
export const blockTileOf = ({ bm, bn, micro = 8 }: Constants): BlockTile => ({
  bm: Number(bm),
  bn: Number(bn),
  micro: Number(micro),
});

/** Of both slabs, twice, at so many bytes a number. */
export const slabBytes = ({ bm, bn }: BlockTile, numberBytes: number): number => 2 * numberBytes * SLAB * (bm + bn);

/**
 * Workgroups in super-rows of 8 tiles' height, column by column: those that run at the same time share rows and columns,
 * which then come from the L2 cache.
 */
const superRows = `
// (row, column) of a tile, of \`rows\` × \`columns\`.
fn tileOf(index: u32, rows: u32, columns: u32) -> vec2u {
  let first = index / (8u * columns) * 8u;
  let within = index - first * columns;
  let height = min(8u, rows - first);
  return vec2u(first + within % height, within / height);
}
`;

/** What an invocation does with the slabs: the part of the text that differs between kinds of arithmetic. */
export interface Inner {
  /** The slabs, `keepLeft` and `keepRight(line, place, block)` which fill them: line of both buffers, place along the tile. */
  readonly declarations: string;
  /** Before the loop. */
  readonly begin: string;
  /** Adds the products of slab `buffer`. */
  readonly multiply: string;
  /** Hands the sums to `store`. */
  readonly end: string;
}

/** How products are computed. */
export interface Arithmetic {
  /** In the names of texts. */
  readonly name: string;
  /** What the text needs enabled. */
  readonly directives: string;
  readonly inner: (tile: BlockTile) => Inner;
}

const across = ({ bn, micro }: BlockTile): number => bn / micro;

/** Where the operands are scaled before they become halves (kernels/half/half.ts). */
export const scalesBinding = '@group(0) @binding(8) var<storage, read> scales: array<vec4f>;';

/** Each invocation keeps micro × micro sums in vec4; slabs in f32, or packed as halves (11 bits, half the traffic). */
function vectors(tile: BlockTile, half: boolean): Inner {
  const { bm, bn, micro } = tile;
  const rows = range(micro);
  const quarters = range(micro / 4);
  const type = half ? 'vec2u' : 'vec4f';
  const packed = (value: string): string =>
    half ? `vec2u(pack2x16float(${value}.xy), pack2x16float(${value}.zw))` : value;
  const keepText = (
    side: string,
    width: number,
    scale: string,
  ): string => `fn keep${side}(line: u32, place: u32, block: mat4x4f) {
  let at = line * ${width}u + (place ^ (line % ${SLAB}u / 2u));
${half ? `  let scaled = block * scales[0].${scale};` : ''}
${range(4)
  .map((q) => `  ${side.toLowerCase()}Slab[at + ${q * width}u] = ${packed(half ? `scaled[${q}]` : `block[${q}]`)};`)
  .join('\n')}
}`;
  /** A line for each quarter of the rows and each of the columns. */
  const each = (line: (side: 'a' | 'b', h: number) => string): string =>
    quarters.flatMap((h) => [line('a', h), line('b', h)]).join('\n');
  const start = (h: number): string => `start(tx + ${h * across(tile)}u)`;
  return {
    declarations: `
// [buffer][k][block of 4]${half ? ', packed halves' : ''}, where block b of line k stands at b ^ (k / 4 · 2): of the 8 invocations that
// store a block's line at a time, 4 have different k / 4 and the same block, whose places would else fall into the same banks.
var<workgroup> leftSlab: array<${type}, ${2 * SLAB * (bm / 4)}>;
var<workgroup> rightSlab: array<${type}, ${2 * SLAB * (bn / 4)}>;
${
  half
    ? `${scalesBinding}

fn unpacked(words: vec2u) -> vec4f { return vec4f(unpack2x16float(words.x), unpack2x16float(words.y)); }`
    : ''
}

${keepText('Left', bm / 4, 'x')}

${keepText('Right', bn / 4, 'y')}

// Which rows and columns, by fours: 32 neighbours have 4 × 8 of them, two of them each the same columns, so that what
// they read of a slab line together are few and short runs.
fn ownPlace(thread: u32) -> vec2u {
  let warp = thread / 32u;
  let row = thread % 32u / 16u * 2u + thread % 2u;
  let column = thread / 2u % 8u;
  return vec2u(warp / ${across(tile) / 8}u * 4u + row, warp % ${across(tile) / 8}u * 8u + column);
}`,
    begin: `  let place = ownPlace(thread);
  let ty = place.x;
  let tx = place.y;
${quarters.map((h) => `  let start${h} = ${half ? 'vec4f(0.0)' : start(h)};`).join('\n')}
${rows.map((r) => quarters.map((h) => `  var c${r}${h} = start${h};`).join(' ')).join('\n')}`,
    // The remainders change nothing: with them the WGSL compiler sees that no index leaves the slab, and clamps none.
    multiply: `      for (var quad = 0u; quad < ${SLAB / 4}u; quad++) {
${each((side, h) => {
  const [own, width] = side === 'a' ? [`ty + ${(h * bm) / micro}u`, bm / 4] : [`tx + ${h * across(tile)}u`, bn / 4];
  return `        let ${side}${h}At = ((${own}) ^ (quad * 2u)) % ${width}u;`;
})}
        for (var q = 0u; q < 4u; q++) {
          let line = buffer * ${SLAB}u + quad * 4u + q;
${each((side, h) => {
  const [slab, width] = side === 'a' ? ['leftSlab', bm / 4] : ['rightSlab', bn / 4];
  const element = `${slab}[line * ${width}u + ${side}${h}At]`;
  return `          let ${side}${h} = ${half ? `unpacked(${element})` : element};`;
})}
${rows.map((r) => `          ${quarters.map((h) => `c${r}${h} += a${r >> 2}[${r % 4}] * b${h};`).join(' ')}`).join('\n')}
        }
      }`,
    end: `${half ? `  let undo = scales[0].zw;\n` : ''}${rows
      .map((r) => {
        const row = `ty * 4u + ${(r >> 2) * (bm / 2) + (r % 4)}u`;
        const value = (h: number): string => (half ? `c${r}${h} * undo.x * undo.y + ${start(h)}` : `c${r}${h}`);
        return `  ${quarters.map((h) => `store(${row}, tx + ${h * across(tile)}u, ${value(h)});`).join(' ')}`;
      })
      .join('\n')}`,
  };
}

/** f32 throughout. */
export const singles: Arithmetic = { name: 'tiled', directives: '', inner: (tile) => vectors(tile, false) };

/** Operands rounded to halves on their way to workgroup memory, sums in f32. */
export const halves: Arithmetic = { name: 'tiled-half', directives: '', inner: (tile) => vectors(tile, true) };

/**
 * `walks`: the kernel also supplies `seek(k)` and `advance()`. All blocks that an invocation loads from a slab stand at
 * one k: `seek` is told the first, `advance` that the next is 16 on, so that what a position costs in divisions (tap,
 * channel, window) is paid once.
 */
export function tileText(tile: BlockTile, arithmetic: Arithmetic, walks = false): string {
  const { bm, bn } = tile;
  const threads = threadsOf(tile);
  const quads = SLAB / 4;
  const leftBlocks = (bm / 4) * quads;
  const blocks = leftBlocks + (bn / 4) * quads;
  const slots = range(Math.ceil(blocks / threads));
  const inner = arithmetic.inner(tile);
  /** One statement for an invocation's block in slot s, which is of the left operand, of the right, or none. */
  const eachSlot = (left: (s: number, block: string) => string, right?: (s: number, block: string) => string): string =>
    slots
      .map((s) => {
        const [first, end] = [s * threads, (s + 1) * threads];
        const index = first === 0 ? 'thread' : `(thread + ${first}u)`;
        const onLeft = `{ ${left(s, `${index} / ${quads}u`)} }`;
        const onRight = right && `{ ${right(s, `(${index} - ${leftBlocks}u) / ${quads}u`)} }`;
        const guarded = onRight && (end <= blocks ? onRight : `if (thread < ${blocks - first}u) ${onRight}`);
        if (end <= leftBlocks) return onLeft;
        if (first >= leftBlocks) return guarded;
        return `if (thread < ${leftBlocks - first}u) ${onLeft}${guarded ? ` else ${guarded}` : ''}`;
      })
      .filter(Boolean)
      .join('\n');
  const fetch = (k: string): string =>
    eachSlot(
      (s, block) => `block${s} = leftBlock(${s}u, ${block}, ${k});`,
      (s, block) => `block${s} = rightBlock(${s}u, ${block}, ${k});`,
    );
  const keep = (buffer: string): string =>
    eachSlot(
      (s, block) => `keepLeft(${buffer} * ${SLAB}u + ownK, ${block}, block${s});`,
      (s, block) => `keepRight(${buffer} * ${SLAB}u + ownK, ${block}, block${s});`,
    );
  return `${inner.declarations}
${superRows}
fn multiplyTile(thread: u32, firstK: u32, lastK: u32) {
${inner.begin}
  // Neighbouring invocations load neighbouring k of a line, then the next line.
  let ownK = thread % ${quads}u * 4u;
${slots.map((s) => `  var block${s}: mat4x4f;`).join('\n')}
${eachSlot((s, block) => `prepare(${s}u, ${block});`)}
${walks ? '  seek(firstK + ownK);' : ''}
${fetch('firstK + ownK')}
${keep('0u')}
  workgroupBarrier();
  // The buffer is a loop's counter, whose range the WGSL compiler knows: without clamped indices a product of 4096³ took
  // 3.6 ms instead of 4.1 on an H200 (256 × 128).
  for (var pair = firstK; pair < lastK; pair += ${2 * SLAB}u) {
    for (var buffer = 0u; buffer < 2u; buffer++) {
      let k = pair + buffer * ${SLAB}u;
      if (k >= lastK) { break; }
      let more = k + ${SLAB}u < lastK;
      if (more) {
${walks ? '  advance();' : ''}
${fetch(`k + ${SLAB}u + ownK`)}
      }
${inner.multiply}
      if (more) {
${keep('(1u - buffer)')}
      }
      workgroupBarrier();
    }
  }
${inner.end}
}
`;
}
