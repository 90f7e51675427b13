import { TEXTURE_WIDTH } from '../../kernels/common/vec4-input.ts';
import { KernelError } from '../errors.ts';
import { written } from './dataflow.ts';
import type { Dispatch } from './lower.ts';
import type { Memory, Storage } from './memory.ts';

/** A dispatch, and what is copied into textures before it. */
export interface Staged {
  readonly dispatch: Dispatch;
  readonly textures: ReadonlyMap<Storage, GPUTexture>;
  readonly copies: readonly Copy[];
}

interface Copy {
  readonly storage: Storage;
  readonly texture: GPUTexture;
}

/** The same when the storage has its buffer. */
export interface TextureCopy {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
  readonly texture: GPUTexture;
}

const TEXEL = 16;

const LINE = TEXTURE_WIDTH * TEXEL;

/** Whole lines, then what is left of the last. */
export function encodeCopy(encoder: GPUCommandEncoder, { buffer, offset, size, texture }: TextureCopy): void {
  const lines = Math.floor(size / LINE);
  const rest = (size % LINE) / TEXEL;
  if (lines > 0) {
    encoder.copyBufferToTexture({ buffer, offset, bytesPerRow: LINE }, { texture }, [TEXTURE_WIDTH, lines]);
  }
  if (rest > 0) {
    const from = { buffer, offset: offset + lines * LINE };
    encoder.copyBufferToTexture(from, { texture, origin: [0, lines] }, [rest, 1]);
  }
}

interface Place {
  readonly texture: GPUTexture;
  readonly bytes: number;
  /** Whose numbers stand in it. */
  holds: Storage | undefined;
}

const textureInputs = ({ shader, storages }: Dispatch): Storage[] => [
  ...new Set(storages.filter((s, i): s is Storage => s !== undefined && shader.bindings[i].texture)),
];

/** Whether the dispatch, or a copy before it, needs the copy's texture. */
const uses = ({ textures, copies }: Staged, { texture }: Copy): boolean =>
  [...textures.values()].includes(texture) || copies.some((other) => other.texture === texture);

const bySize = (a: { bytes: number }, b: { bytes: number }): number => b.bytes - a.bytes;

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
      for (const [i, { bytes }] of textureInputs(dispatch).sort(bySize).entries()) {
        needed[i] = Math.max(needed[i] ?? 0, bytes);
      }
    }
    if (needed.every((bytes, i) => bytes <= (this.#places[i]?.bytes ?? 0))) return;
    const bytes = needed.map((n, i) => LINE * Math.ceil(Math.max(n, this.#places[i]?.bytes ?? 0) / LINE));
    this.dispose();
    this.#places = bytes.map((size) => {
      const texture = this.#memory.createTexture([TEXTURE_WIDTH, size / LINE], size);
      return { texture, bytes: size, holds: undefined };
    });
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
    const textures = new Map<Storage, GPUTexture>();
    const copies: Copy[] = [];
    const inputs = textureInputs(dispatch).sort(bySize);
    const standing = new Set(inputs.flatMap((s) => this.#places.find(({ holds }) => holds === s) ?? []));
    const used = new Set<Place>();
    // The larger first: what is pushed out for them finds another place that is large enough.
    for (const storage of inputs) {
      const fits = (p: Place): boolean => p.bytes >= storage.bytes && !used.has(p);
      const place =
        this.#places.find(({ holds }) => holds === storage) ??
        this.#places.findLast((p) => fits(p) && !standing.has(p)) ??
        this.#places.findLast(fits);
      if (!place) throw new KernelError(`${dispatch.kernel.name}: no texture was reserved for ${storage.label}.`);
      if (place.holds !== storage) {
        copies.push({ storage, texture: place.texture });
        place.holds = storage;
      }
      used.add(place);
      textures.set(storage, place.texture);
    }
    for (const storage of written(dispatch)) {
      for (const place of this.#places) if (place.holds === storage) place.holds = undefined;
    }
    return { dispatch, textures, copies };
  }

  dispose(): void {
    for (const { texture, bytes } of this.#places) this.#memory.destroyTexture(texture, bytes);
    this.#places = [];
  }
}
