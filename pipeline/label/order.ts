/**
 * The order in which a rater sees the pictures: their own, random, the same again after a restart, and nearly the same
 * when pictures are added (the new ones fall in between). A rank is the first 48 bits of SHA-256 over seed, rater,
 * picture and round, so anyone can recompute it.
 */
import { createHash } from 'node:crypto';

export type Round = 1 | 2;

/** One showing of one picture to one rater. A repeat asks again, unannounced, to measure the rater's own consistency. */
export interface Slot {
  picture: number;
  round: Round;
  repeat: 0 | 1;
}

/** A number that names a slot within one rater's sheet. */
export const slotKey = (slot: Slot): number => slot.picture * 4 + (slot.round - 1) * 2 + slot.repeat;

export interface QueuedSlot extends Slot {
  /** What the page calls the slot: tells neither the file's name nor its folder, which often is the answer. */
  id: string;
}

export interface Picture {
  id: number;
  path: string;
}

/** At least so many other pictures come between the two showings of a repeated one. */
export const repeatGap = 20;

/**
 * All pictures in the rater's first-round order; a share of about `repeat` of them comes a second time, later by 20 to 40
 * pictures (in a small set: by half of it).
 */
export function firstRound(pictures: readonly Picture[], seed: number, rater: string, repeat: number): QueuedSlot[] {
  const ranked = rank(pictures, seed, rater, 1);
  const gap = Math.min(repeatGap, Math.floor(ranked.length / 2));
  const repeats: { after: number; slot: QueuedSlot }[] = [];
  for (const [position, { picture, luck }] of ranked.entries()) {
    if (luck >= repeat || position + gap >= ranked.length) continue;
    const { id } = digest(seed, rater, picture, 1, 1);
    const after = position + gap * (1 + luck / repeat);
    repeats.push({ after, slot: { picture: picture.id, round: 1, repeat: 1, id } });
  }
  repeats.sort((a, b) => a.after - b.after);
  const slots: QueuedSlot[] = [];
  let next = 0;
  for (const [position, { slot }] of ranked.entries()) {
    slots.push(slot);
    for (let again = repeats[next]; again && again.after < position + 1; again = repeats[++next])
      slots.push(again.slot);
  }
  return [...slots, ...repeats.slice(next).map(({ slot }) => slot)];
}

/** The tied pictures in the rater's second-round order. */
export function secondRound(pictures: readonly Picture[], seed: number, rater: string): QueuedSlot[] {
  return rank(pictures, seed, rater, 2).map(({ slot }) => slot);
}

/** `luck` is uniform in [0, 1), apart from the rank. */
function rank(pictures: readonly Picture[], seed: number, rater: string, round: Round) {
  const ranked = pictures.map((picture) => {
    const { order, luck, id } = digest(seed, rater, picture, round, 0);
    const slot: QueuedSlot = { picture: picture.id, round, repeat: 0, id };
    return { order, luck, picture, slot };
  });
  return ranked.sort((a, b) => a.order - b.order);
}

function digest(seed: number, rater: string, { path }: Picture, round: Round, repeat: 0 | 1) {
  const bytes = createHash('sha256')
    .update(JSON.stringify([seed, rater.toLowerCase(), path, round, repeat]))
    .digest();
  return { order: bytes.readUIntBE(0, 6), luck: bytes.readUIntBE(6, 6) / 2 ** 48, id: bytes.toString('hex', 12, 22) };
}
