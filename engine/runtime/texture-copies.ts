import { TEXTURE_WIDTH } from '../../kernels/common/vec4-input.ts';
import { KernelError } from '../errors.ts';
import { written } from './dataflow.ts';
import type { Dispatch } from './lower.ts';
import type { Memory, Storage } from './memory.ts';

/** What a dispatch reads from a texture: some bytes of a storage. */
interface Part {
  readonly storage: Storage;
  readonly offset: number;
  readonly size: number;
}

interface Copy extends Part {
  readonly texture: GPUTexture;
}

/** A dispatch, its textures in the order of its bindings, and what is copied into textures before it. */
export interface Staged {
  readonly dispatch: Dispatch;
  readonly textures: readonly (GPUTexture | undefined)[];
  readonly copies: readonly Copy[];
}

const TEXEL = 16;

const LINE = TEXTURE_WIDTH * TEXEL;

/** A copy when the storage has its buffer: the arguments of its native calls, made once. */
export type TextureCopy = readonly Parameters<GPUCommandEncoder['copyBufferToTexture']>[];

/**
 * Whole lines, then what is left of the last. Where the buffer goes on far enough the last is copied whole: nobody reads
 * what comes along, and it saves a native call of 2.6 µs (so-dlse: 223 → 133 calls a step).
 */
export function textureCopy(buffer: GPUBuffer, offset: number, size: number, texture: GPUTexture): TextureCopy {
  const whole = Math.ceil(size / LINE);
  const lines = offset + whole * LINE <= buffer.size ? whole : Math.floor(size / LINE);
  const rest = (size - lines * LINE) / TEXEL;
  const calls: Parameters<GPUCommandEncoder['copyBufferToTexture']>[] = [];
  if (lines > 0) calls.push([{ buffer, offset, bytesPerRow: LINE }, { texture }, [TEXTURE_WIDTH, lines]]);
  if (rest > 0) calls.push([{ buffer, offset: offset + lines * LINE }, { texture, origin: [0, lines] }, [rest, 1]]);
  return calls;
}

export function encodeCopy(encoder: GPUCommandEncoder, copy: TextureCopy): void {
  for (const [from, to, extent] of copy) encoder.copyBufferToTexture(from, to, extent);
}

interface Place {
  readonly texture: GPUTexture;
  readonly bytes: number;
  /** What stands in it. */
  holds: Part | undefined;
}

const partOf = ({ shader, storages, slices }: Dispatch, i: number): Part | undefined => {
  const [storage, slice] = [storages[i], slices[i]];
  if (!storage || !shader.bindings[i].texture) return undefined;
  return slice
    ? { storage, offset: TEXEL * slice.first, size: TEXEL * slice.count }
    : { storage, offset: 0, size: storage.bytes };
};

const same = (a: Part | undefined, b: Part): boolean =>
  a?.storage === b.storage && a.offset === b.offset && a.size === b.size;

/** What a dispatch reads from textures, each part once, the largest first. */
function partsOf(dispatch: Dispatch): Part[] {
  const parts: Part[] = [];
  dispatch.storages.forEach((_, i) => {
    const part = partOf(dispatch, i);
    if (part && !parts.some((other) => same(other, part))) parts.push(part);
  });
  return parts.sort((a, b) => b.size - a.size);
}

/** Whether the dispatch, or a copy before it, needs the copy's texture. */
const uses = ({ textures, copies }: Staged, { texture }: Copy): boolean =>
  textures.includes(texture) || copies.some((other) => other.texture === texture);

/**
 * The textures that a list of dispatches reads buffers through: as many as one dispatch needs at once, each as large as
 * any needs it. They take turns, so that all of a program's copies need no more room than the largest.
 */
export class TextureCopies {
  readonly #memory: Memory;
  #places: Place[] = [];

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  get bytes(): number {
    return this.#places.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Makes room for what `dispatches` read. Bind groups made before go on with the textures they have. */
  reserve(dispatches: readonly Dispatch[]): void {
    const needed: number[] = [];
    for (const dispatch of dispatches) {
      for (const [i, { size }] of partsOf(dispatch).entries()) needed[i] = Math.max(needed[i] ?? 0, size);
    }
    if (needed.every((bytes, i) => bytes <= (this.#places[i]?.bytes ?? 0))) return;
    const bytes = needed.map((n, i) => LINE * Math.ceil(Math.max(n, this.#places[i]?.bytes ?? 0) / LINE));
    this.dispose();
    // One by one: where the second finds no room, the first is not forgotten.
    for (const size of bytes) {
      const texture = this.#memory.createTexture([TEXTURE_WIDTH, size / LINE], size);
      this.#places.push({ texture, bytes: size, holds: undefined });
    }
  }

  /** Where dispatches that run in this order find their inputs, and the copies that bring there what is not there yet. */
  stage(dispatches: readonly Dispatch[]): Staged[] {
    for (const place of this.#places) place.holds = undefined;
    const staged = dispatches.map((dispatch) => this.#stage(dispatch));
    // As soon as they can be: what ends with its copy makes room the earlier.
    for (const [i, { copies }] of staged.entries()) {
      for (const copy of copies.splice(0)) {
        let at = i;
        while (at > 0 && !written(staged[at - 1].dispatch).includes(copy.storage) && !uses(staged[at - 1], copy)) at--;
        staged[at].copies.push(copy);
      }
    }
    return staged;
  }

  #stage(dispatch: Dispatch) {
    const copies: Copy[] = [];
    const parts = partsOf(dispatch);
    const standing = new Set(parts.flatMap((part) => this.#places.find(({ holds }) => same(holds, part)) ?? []));
    const used = new Set<Place>();
    // The larger first: what is pushed out for them finds another place that is large enough.
    for (const part of parts) {
      const fits = (p: Place): boolean => p.bytes >= part.size && !used.has(p);
      const place =
        this.#places.find(({ holds }) => same(holds, part)) ??
        this.#places.findLast((p) => fits(p) && !standing.has(p)) ??
        this.#places.findLast(fits);
      if (!place) throw new KernelError(`${dispatch.kernel.name}: no texture was reserved for ${part.storage.label}.`);
      if (!same(place.holds, part)) {
        copies.push({ ...part, texture: place.texture });
        place.holds = part;
      }
      used.add(place);
    }
    const textures = dispatch.storages.map((_, i) => {
      const part = partOf(dispatch, i);
      return part && this.#places.find(({ holds }) => same(holds, part))?.texture;
    });
    for (const storage of written(dispatch)) {
      for (const place of this.#places) if (place.holds?.storage === storage) place.holds = undefined;
    }
    return { dispatch, textures, copies };
  }

  dispose(): void {
    for (const { texture, bytes } of this.#places) this.#memory.destroyTexture(texture, bytes);
    this.#places = [];
  }
}
