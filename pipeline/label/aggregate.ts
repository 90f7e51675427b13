/**
 * From votes to labels (section 2.2 of the paper): the label distribution p_k (eq. 1), the majority target (eq. 2), the
 * error class dropped, ties marked a second time.
 */
import type { LabelHistory } from './history.ts';
import { errorLabel } from './settings.ts';
import { standingVotes, type Vote, votesOfRound } from './votes.ts';

/**
 * - `settled`: one class has the most votes, and it is not 'error';
 * - `error`: 'error' has the most votes: the picture is dropped;
 * - `incomplete`: fewer votes than asked for;
 * - `second round`: tied, and waiting for the same raters to mark it a second time;
 * - `tied`: still tied when the votes of both rounds are counted together: it gets no majority label.
 */
export type Status = 'settled' | 'error' | 'incomplete' | 'second round' | 'tied';

export interface AggregatedPicture {
  id: number;
  path: string;
  /** Votes of both rounds together, in the order of the labels. */
  votes: number[];
  /** p_k = votes of label k / all votes (eq. 1), 'error' included; all zero without votes. */
  distribution: number[];
  status: Status;
  /** argmax_k p_k (eq. 2) of a settled picture. */
  label: string | null;
  /** Labels that share the most votes, when there is more than one. */
  tie: string[];
  /** Whether the votes of a second round were needed. */
  marked: 1 | 2;
}

export interface AggregateOptions {
  /** Votes a picture needs in a round. Default: as many as there are raters with at least one answer. */
  minVotes?: number | undefined;
  /** Raters whose votes are left out. */
  excluded?: ReadonlySet<number> | undefined;
}

export interface Aggregate {
  labels: readonly string[];
  /** Votes that a picture needed. */
  minVotes: number;
  pictures: AggregatedPicture[];
}

export function aggregate(history: LabelHistory, options: AggregateOptions = {}): Aggregate {
  const present = new Set(history.pictures.map(({ id }) => id));
  const votes = standingVotes(history, options.excluded).filter(({ picture }) => present.has(picture));
  const raters = new Set(votes.map(({ rater }) => rater)).size;
  const minVotes = Math.max(1, options.minVotes ?? raters);
  const first = count(votesOfRound(votes, 1), history.labels);
  const second = count(votesOfRound(votes, 2), history.labels);
  const none = history.labels.map(() => 0);
  const pictures = history.pictures.map(({ id, path }) => {
    const one = first.get(id) ?? none;
    const settled = settle(one, second.get(id) ?? none, minVotes, history.labels);
    return { id, path, ...settled };
  });
  return { labels: history.labels, minVotes, pictures };
}

/** Decides one picture from the votes of its two rounds. */
export function settle(
  first: readonly number[],
  second: readonly number[],
  minVotes: number,
  labels: readonly string[],
): Omit<AggregatedPicture, 'id' | 'path'> {
  const total = sum(first);
  const joint = first.map((votes, k) => votes + (second[k] ?? 0));
  const firstWinners = winners(first);
  // Second-round votes count only for a picture that the first round left tied.
  const marked = firstWinners.length > 1 && sum(second) > 0 ? 2 : 1;
  const votes = marked === 2 ? joint : [...first];
  const all = sum(votes);
  const distribution = votes.map((n) => (all === 0 ? 0 : n / all));
  const best = winners(votes);
  const tie = best.length > 1 ? best.map((k) => labels[k] ?? '') : [];
  const decided = (status: Status, label: string | null = null) =>
    ({ votes, distribution, status, label, tie, marked }) as const;
  if (total < minVotes) return decided('incomplete');
  // The same raters mark a tied picture again: it waits for as many votes as it needed the first time.
  if (firstWinners.length > 1 && sum(second) < Math.min(minVotes, total)) return decided('second round');
  if (best.length > 1) return decided('tied');
  const label = labels[best[0] ?? 0] ?? '';
  return label === errorLabel ? decided('error') : decided('settled', label);
}

function count(votes: readonly Vote[], labels: readonly string[]): Map<number, number[]> {
  const counts = new Map<number, number[]>();
  for (const { picture, label } of votes) {
    const row = counts.get(picture) ?? labels.map(() => 0);
    counts.set(picture, row);
    const k = labels.indexOf(label);
    row[k] = (row[k] ?? 0) + 1;
  }
  return counts;
}

function winners(votes: readonly number[]): number[] {
  const most = Math.max(...votes);
  return most === 0 ? [] : votes.flatMap((n, k) => (n === most ? [k] : []));
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
