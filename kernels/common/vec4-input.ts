import type { DeviceTraits } from '../kernel.ts';

/**
 * How a kernel of the `lanes` family reads an array of vec4. llvmpipe makes of a load from a buffer eight times four
 * scalar ones, each with its own bounds check: some 320 instructions, 12 ns for 8 lanes. From a storage texture of the
 * format rgba32float it is eight of 16 bytes and a transpose in a function of their own: 55 instructions, 7 ns, and a
 * tenth of the text to compile. The engine copies the buffer into the texture before the dispatch (4 ns of both cores
 * per 128 bytes), which pays for what is read several times. The numbers are the same bits.
 */
export type Via = 'buffer' | 'texture';

/** What one copy may take: it is memory that a program holds beside its own. */
export const LARGEST_COPY = 32 * 2 ** 20;

/** Reads from the texture, beyond the two that pay for the copy, that pay for its commands, in bytes. */
const WORTHWHILE = 2 ** 20;

/** How to read `bytes` that a dispatch loads `reads` times over. */
export const viaFor = ({ textures }: DeviceTraits, bytes: number, reads: number): Via =>
  textures && bytes <= LARGEST_COPY && (reads - 2) * bytes >= WORTHWHILE ? 'texture' : 'buffer';

/** vec4 to a line of a texture: number i of the array stands at (i mod 1024, i div 1024). */
export const TEXTURE_WIDTH = 1024;

/** The head of a text whose inputs are read so. */
export const requiresTextures = (...inputs: readonly Via[]): string =>
  inputs.includes('texture') ? 'requires readonly_and_readwrite_storage_textures;\n' : '';

/** Declares `name` at a binding; `load<Name>(i)` is its vec4 number i. */
export function vec4Input(binding: number, name: string, via: Via): string {
  const load = `load${name[0].toUpperCase()}${name.slice(1)}`;
  const at = `@group(0) @binding(${binding})`;
  return via === 'texture'
    ? `${at} var ${name}: texture_storage_2d<rgba32float, read>;
fn ${load}(i: u32) -> vec4f { return textureLoad(${name}, vec2u(i % ${TEXTURE_WIDTH}u, i / ${TEXTURE_WIDTH}u)); }`
    : `${at} var<storage, read> ${name}: array<vec4f>;
fn ${load}(i: u32) -> vec4f { return ${name}[i]; }`;
}
