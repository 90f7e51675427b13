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

/**
 * Assigns temporaries to shared whole buffers: largest first, each into the smallest buffer that is free over its
 * lifetime ("greedy by size" for shared objects, Pisarchyk & Lee 2020, arXiv 2001.03288). Returns the buffers made.
 */
export function assignBuffers(temporaries: readonly Lifetime[], memory: Memory): GPUBuffer[] {
  const slots: { bytes: number; label: string; users: Lifetime[] }[] = [];
  for (const life of [...temporaries].sort((a, b) => b.storage.bytes - a.storage.bytes || a.first - b.first)) {
    let best: (typeof slots)[number] | undefined;
    for (const slot of slots) {
      const free = slot.users.every((user) => user.last < life.first || life.last < user.first);
      if (free && (!best || slot.bytes < best.bytes)) best = slot;
    }
    if (best) best.users.push(life);
    else slots.push({ bytes: life.storage.bytes, label: life.storage.label, users: [life] });
  }
  return slots.map((slot) => {
    const buffer = memory.create(slot.bytes, slot.label);
    for (const { storage } of slot.users) storage.buffer = buffer;
    return buffer;
  });
}
