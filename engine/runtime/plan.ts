import type { Dispatch } from './lower.ts';
import type { Memory, Storage } from './memory.ts';
import type { Staged } from './texture-copies.ts';

/**
 * When a storage's buffer is touched first and last: 2i while the dispatch i runs, 2i − 1 while its inputs are copied into
 * textures. What is only copied may be overwritten by the dispatch that reads the copy.
 */
export interface Lifetime {
  readonly storage: Storage;
  readonly first: number;
  readonly last: number;
}

export function lifetimes(staged: readonly Staged[]): Map<Storage, Lifetime> {
  const found = new Map<Storage, Lifetime>();
  const touch = (storage: Storage, at: number): void => {
    found.set(storage, { storage, first: found.get(storage)?.first ?? at, last: at });
  };
  staged.forEach(({ dispatch, copies }, i) => {
    for (const { storage } of copies) touch(storage, 2 * i - 1);
    for (const storage of buffersOf(dispatch)) touch(storage, 2 * i);
  });
  return found;
}

/** What a dispatch binds as buffers. */
const buffersOf = ({ shader, storages }: Dispatch): Storage[] =>
  storages.filter((s, i): s is Storage => s !== undefined && !shader.bindings[i].texture);

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
  for (const dispatch of dispatches) {
    const bound = buffersOf(dispatch);
    dispatch.storages.forEach((one, i) => {
      if (!one || dispatch.shader.bindings[i].readOnly) return;
      for (const other of bound) {
        if (other === one) continue;
        note(one, other);
        note(other, one);
      }
    });
  }
  return conflicts;
}

/** A buffer to be made, and who lives in it where; by offset. */
interface Slot {
  bytes: number;
  readonly label: string;
  readonly users: (Lifetime & { readonly offset: number })[];
}

/** Where a temporary may begin in a slot, what it leaves over there, and by how much the slot must grow for it. */
interface Room {
  readonly offset: number;
  readonly waste: number;
  readonly growth: number;
}

const overlap = (a: Lifetime, b: Lifetime): boolean => a.first <= b.last && b.first <= a.last;

const isBetter = (a: Room, b: Room | undefined): boolean =>
  !b || a.growth < b.growth || (a.growth === b.growth && a.waste < b.waste);

/** The tightest room for `life` in a slot, which may grow to `largest` bytes. */
function roomIn(slot: Slot, life: Lifetime, largest: number): Room | undefined {
  const neighbours = slot.users.filter((user) => overlap(user, life));
  let best: Room | undefined;
  let offset = 0;
  for (let i = 0; i <= neighbours.length; i++) {
    const next = neighbours[i];
    const end = next?.offset ?? slot.bytes;
    const left = end - offset - life.storage.bytes;
    if (left >= 0 || (!next && end - left <= largest)) {
      const room = { offset, waste: Math.max(0, left), growth: Math.max(0, -left) };
      if (isBetter(room, best)) best = room;
    }
    if (next) offset = Math.max(offset, aligned(next.offset + next.storage.bytes));
  }
  return best;
}

/** Places `lives` in their order, each into the tightest room, but never beside one that a dispatch binds with it. */
function place(lives: readonly Lifetime[], conflicts: Conflicts, largest: number): readonly Slot[] {
  const slots: Slot[] = [];
  const homes = new Map<Storage, Slot>();
  for (const life of lives) {
    const taken = new Set([...(conflicts.get(life.storage) ?? [])].map((other) => homes.get(other)));
    let best: { slot: Slot; room: Room } | undefined;
    for (const slot of slots) {
      if (taken.has(slot)) continue;
      const room = roomIn(slot, life, largest);
      if (room && isBetter(room, best?.room)) best = { slot, room };
    }
    if (best && best.room.growth < life.storage.bytes) {
      const { slot, room } = best;
      slot.bytes += room.growth;
      const after = slot.users.findIndex((user) => user.offset > room.offset);
      slot.users.splice(after < 0 ? slot.users.length : after, 0, { ...life, offset: room.offset });
      homes.set(life.storage, slot);
    } else {
      const { bytes, label } = life.storage;
      const slot = { bytes, label, users: [{ ...life, offset: 0 }] };
      slots.push(slot);
      homes.set(life.storage, slot);
    }
  }
  return slots;
}

const totalBytes = (slots: readonly Slot[]): number => slots.reduce((sum, { bytes }) => sum + bytes, 0);

const area = ({ storage, first, last }: Lifetime): number => storage.bytes * (last - first + 1);

/**
 * Gives temporaries places in shared buffers, of at most `largest` bytes: largest first ("greedy by size", Pisarchyk & Lee
 * 2020, arXiv 2001.03288), or those first that are large for long; into buffers that stay as they were made, or grow.
 * Which takes least differs from program to program (so-dlse: 180, 176, 184 and 173 MiB), so that all four are tried.
 */
export function placeTemporaries(
  temporaries: readonly Lifetime[],
  conflicts: Conflicts,
  largest: number,
): readonly Slot[] {
  const bySize = [...temporaries].sort((a, b) => b.storage.bytes - a.storage.bytes || a.first - b.first);
  const byArea = [...temporaries].sort((a, b) => area(b) - area(a));
  const trials = [bySize, byArea].flatMap((lives) => [0, largest].map((most) => place(lives, conflicts, most)));
  return trials.reduce((best, one) => (totalBytes(one) < totalBytes(best) ? one : best));
}

/** Places the temporaries of `dispatches`; the buffers made go to `buffers`, also where there is no room for them all. */
export function assignBuffers(
  temporaries: readonly Lifetime[],
  dispatches: readonly Dispatch[],
  memory: Memory,
  buffers: GPUBuffer[],
): void {
  const slots = placeTemporaries(temporaries, bindingConflicts(dispatches), memory.largestBuffer);
  for (const { bytes, label, users } of slots) {
    const buffer = memory.create(bytes, label);
    buffers.push(buffer);
    for (const { storage, offset } of users) {
      storage.buffer = buffer;
      storage.offset = offset;
    }
  }
}
