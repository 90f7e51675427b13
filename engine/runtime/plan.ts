import type { Dispatch } from './lower.ts';
import type { Memory, Storage } from './memory.ts';

/** First and last dispatch that touch a storage. */
export interface Lifetime {
  readonly storage: Storage;
  readonly first: number;
  readonly last: number;
}

export function lifetimes(dispatches: readonly Dispatch[]): Map<Storage, Lifetime> {
  const found = new Map<Storage, Lifetime>();
  dispatches.forEach(({ storages }, i) => {
    for (const storage of storages) {
      if (!storage) continue;
      const known = found.get(storage);
      found.set(storage, { storage, first: known?.first ?? i, last: i });
    }
  });
  return found;
}

/** Bindings begin at multiples of this: the largest that WebGPU lets an adapter ask for. */
const ALIGNMENT = 256;

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

export type Conflicts = ReadonlyMap<Storage, ReadonlySet<Storage>>;

/** Storages that one dispatch binds, one of them for writing: WebGPU refuses them in one buffer, at whatever offsets. */
export function bindingConflicts(dispatches: readonly Dispatch[]): Conflicts {
  const conflicts = new Map<Storage, Set<Storage>>();
  const note = (a: Storage, b: Storage): void => {
    const known = conflicts.get(a);
    if (known) known.add(b);
    else conflicts.set(a, new Set([b]));
  };
  for (const { shader, storages } of dispatches) {
    storages.forEach((one, i) => {
      if (!one || shader.bindings[i].readOnly) return;
      for (const other of storages) {
        if (!other || other === one) continue;
        note(one, other);
        note(other, one);
      }
    });
  }
  return conflicts;
}

/** A buffer to be made, and who lives in it where; by offset. */
interface Slot {
  readonly bytes: number;
  readonly label: string;
  readonly users: (Lifetime & { readonly offset: number })[];
}

const overlap = (a: Lifetime, b: Lifetime): boolean => a.first <= b.last && b.first <= a.last;

/** The tightest room for `life` in a slot: where it begins, and what it leaves over. */
function roomIn(slot: Slot, life: Lifetime): { offset: number; waste: number } | undefined {
  let best: { offset: number; waste: number } | undefined;
  let free = 0;
  const consider = (end: number): void => {
    const waste = end - free - life.storage.bytes;
    if (waste >= 0 && (!best || waste < best.waste)) best = { offset: free, waste };
  };
  for (const user of slot.users) {
    if (!overlap(user, life)) continue;
    consider(user.offset);
    free = Math.max(free, aligned(user.offset + user.storage.bytes));
  }
  consider(slot.bytes);
  return best;
}

/**
 * Gives temporaries places in shared buffers: largest first, each into the tightest room that is free over its lifetime
 * ("greedy by size", Pisarchyk & Lee 2020, arXiv 2001.03288), but never beside one that a dispatch binds with it.
 */
export function placeTemporaries(temporaries: readonly Lifetime[], conflicts: Conflicts): readonly Slot[] {
  const slots: Slot[] = [];
  for (const life of [...temporaries].sort((a, b) => b.storage.bytes - a.storage.bytes || a.first - b.first)) {
    const apart = conflicts.get(life.storage);
    let best: { slot: Slot; offset: number; waste: number } | undefined;
    for (const slot of slots) {
      if (apart && slot.users.some(({ storage }) => apart.has(storage))) continue;
      const room = roomIn(slot, life);
      if (room && (!best || room.waste < best.waste)) best = { slot, ...room };
    }
    if (best) {
      const { slot, offset } = best;
      const after = slot.users.findIndex((user) => user.offset > offset);
      slot.users.splice(after < 0 ? slot.users.length : after, 0, { ...life, offset });
    } else {
      const { bytes, label } = life.storage;
      slots.push({ bytes, label, users: [{ ...life, offset: 0 }] });
    }
  }
  return slots;
}

/** Places the temporaries of `dispatches`; returns the buffers made. */
export function assignBuffers(
  temporaries: readonly Lifetime[],
  dispatches: readonly Dispatch[],
  memory: Memory,
): GPUBuffer[] {
  return placeTemporaries(temporaries, bindingConflicts(dispatches)).map(({ bytes, label, users }) => {
    const buffer = memory.create(bytes, label);
    for (const { storage, offset } of users) {
      storage.buffer = buffer;
      storage.offset = offset;
    }
    return buffer;
  });
}
