import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, Generator, openDevice } from '../../engine/node.ts';
import type { Storage } from '../../engine/runtime/memory.ts';
import { type Lifetime, placeTemporaries } from '../../engine/runtime/plan.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const life = (bytes: number, first: number, last: number): Lifetime => ({
  storage: device.createStorage(bytes, `${bytes}`),
  first,
  last,
});
const together = (lives: readonly Lifetime[], pairs: readonly (readonly [number, number])[]) => {
  const conflicts = new Map<Storage, Set<Storage>>(lives.map(({ storage }) => [storage, new Set()]));
  for (const [a, b] of pairs) {
    conflicts.get(lives[a].storage)?.add(lives[b].storage);
    conflicts.get(lives[b].storage)?.add(lives[a].storage);
  }
  return conflicts;
};
const total = (slots: ReturnType<typeof placeTemporaries>): number => slots.reduce((sum, { bytes }) => sum + bytes, 0);

it('puts several small temporaries beside each other where a large one stood', () => {
  const lives = [life(4096, 0, 1), life(2048, 2, 5), life(1024, 3, 4), life(1024, 2, 3)];
  expect(total(placeTemporaries(lives, together(lives, []), 2 ** 20))).toBe(4096);
  // Bound together, one written: not in one buffer, though there would be room.
  const apart = placeTemporaries(lives, together(lives, [[1, 2]]), 2 ** 20);
  expect(apart.map(({ bytes }) => bytes)).toEqual([4096, 1024]);
});

it('lets a buffer grow where that takes less than a new one, and no larger than a buffer may be', () => {
  const lives = [life(8192, 0, 1), life(6144, 3, 4), life(4096, 2, 5)];
  expect(total(placeTemporaries(lives, together(lives, []), 2 ** 20))).toBe(6144 + 4096);
  expect(total(placeTemporaries(lives, together(lives, []), 9000))).toBe(8192 + 4096);
});

it('never gives a place twice, at random', () => {
  const numbers = new Generator(1).uniform(6000, 0, 1);
  let next = 0;
  const below = (n: number): number => Math.min(n - 1, Math.floor(n * numbers[next++]));
  for (let round = 0; round < 10; round++) {
    const lives = Array.from({ length: 60 }, () => {
      const first = below(100);
      return life(16 * (1 + below(500)), first, first + below(12));
    });
    const pairs = Array.from({ length: 40 }, () => [below(60), below(60)] as const).filter(([a, b]) => a !== b);
    const conflicts = together(lives, pairs);
    const slots = placeTemporaries(lives, conflicts, 40_000);
    expect(slots.flatMap(({ users }) => users.map(({ storage }) => storage)).length).toBe(60);
    expect(new Set(slots.flatMap(({ users }) => users.map(({ storage }) => storage))).size).toBe(60);
    for (const { bytes, users } of slots) {
      expect(bytes).toBeLessThanOrEqual(40_000);
      for (const [i, a] of users.entries()) {
        expect(a.offset % 256).toBe(0);
        expect(a.offset + a.storage.bytes).toBeLessThanOrEqual(bytes);
        for (const b of users.slice(i + 1)) {
          const sameTime = a.first <= b.last && b.first <= a.last;
          const samePlace = a.offset < b.offset + b.storage.bytes && b.offset < a.offset + a.storage.bytes;
          expect(sameTime && samePlace).toBe(false);
          expect(conflicts.get(a.storage)?.has(b.storage)).toBe(false);
        }
      }
    }
    expect(total(slots)).toBeLessThan(lives.reduce((sum, { storage }) => sum + storage.bytes, 0));
  }
});
