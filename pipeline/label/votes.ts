/** The standing answers of a history: what every rater says now about every picture they were shown. */
import type { LabelHistory } from './history.ts';
import { type Round, type Slot, slotKey } from './order.ts';
import type { Act } from './sheet.ts';

export interface Vote extends Slot {
  rater: number;
  label: string;
  at: string;
  elapsed: number | null;
  seq: number;
}

/** Folds the history: the last label of a slot that was not undone stands. In the order of the acts. */
export function standingVotes(history: LabelHistory, excluded: ReadonlySet<number> = new Set()): Vote[] {
  const undone = new Set<number>();
  for (const { undoes } of history.acts) if (undoes !== null) undone.add(undoes);
  const standing = new Map<string, Act & { label: string }>();
  for (const act of history.acts) {
    if (act.label === null || undone.has(act.seq) || excluded.has(act.rater)) continue;
    const slot = `${act.rater}/${slotKey(act)}`;
    standing.delete(slot);
    standing.set(slot, { ...act, label: act.label });
  }
  return [...standing.values()];
}

/** The votes that count for a picture's label: repeats measure the rater, not the picture. */
export function votesOfRound(votes: readonly Vote[], round: Round): Vote[] {
  return votes.filter((vote) => vote.round === round && vote.repeat === 0);
}
