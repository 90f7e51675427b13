/**
 * The order in which a rater sees the pictures: their own, random, the same again after a restart, and nearly the same
 * when pictures are added (the new ones fall in between). A rank is the start of SHA-256 over seed, rater, picture and
 * round, so anyone can recompute it.
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
  const ranked = pictures.map((picture) => ranking(picture, seed, rater, 1, 0)).sort((a, b) => a.rank - b.rank);
  const gap = Math.min(repeatGap, Math.floor(ranked.length / 2));
  const placed = ranked.map(({ slot }, position) => ({ slot, position }));
  if (repeat > 0) {
    const paths = new Map(pictures.map((picture) => [picture.id, picture]));
    for (const [position, { slot }] of ranked.entries()) {
      const picture = paths.get(slot.picture);
      if (!picture || position + gap >= ranked.length) continue;
      const again = ranking(picture, seed, rater, 1, 1);
      const share = again.rank / 2 ** 52;
      if (share < repeat) placed.push({ slot: again.slot, position: position + gap * (1 + share / repeat) + 0.5 });
    }
    placed.sort((a, b) => a.position - b.position);
  }
  return placed.map(({ slot }) => slot);
}

/** The tied pictures in the rater's second-round order. */
export function secondRound(pictures: readonly Picture[], seed: number, rater: string): QueuedSlot[] {
  const ranked = pictures.map((picture) => ranking(picture, seed, rater, 2, 0));
  return ranked.sort((a, b) => a.rank - b.rank).map(({ slot }) => slot);
}

function ranking(picture: Picture, seed: number, rater: string, round: Round, repeat: 0 | 1) {
  const text = JSON.stringify([seed, rater.toLowerCase(), picture.path, round, repeat]);
  const hex = createHash('sha256').update(text).digest('hex');
  const slot: QueuedSlot = { picture: picture.id, round, repeat, id: hex.slice(13, 33) };
  return { rank: Number.parseInt(hex.slice(0, 13), 16), slot };
}
