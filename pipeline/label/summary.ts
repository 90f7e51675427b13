/** Everything the report and the results page say about a set of answers. */
import { type Aggregate, type AggregatedPicture, type AggregateOptions, aggregate, type Status } from './aggregate.ts';
import { cohenKappa, fleissKappa, krippendorffAlpha, labelCounts, pairTable, type Ratings } from './agreement.ts';
import { bootstrap, type Interval } from './bootstrap.ts';
import type { LabelHistory } from './history.ts';
import type { Rater } from './store.ts';
import { standingVotes, type Vote, votesOfRound } from './votes.ts';

export interface SummaryOptions extends AggregateOptions {
  /** Number of bootstrap resamples; 0 leaves the intervals out. */
  replicates: number;
  seed?: number | undefined;
  /** The subject of each picture by path, where the manifest names it: subjects are resampled as a whole. */
  subjects?: ReadonlyMap<string, string> | undefined;
  onProgress?: ((share: number) => void) | undefined;
}

/** A statistic with its interval; NaN where the answers do not define it. */
export interface Estimate extends Interval {
  value: number;
}

export interface PairSummary {
  raters: [string, string];
  /** Pictures that both rated. */
  n: number;
  observed: number;
  kappa: Estimate;
}

export interface RaterSummary {
  name: string;
  /** Standing answers in each round, repeats left out. */
  answers: [number, number];
  undone: number;
  /** Seconds a picture was in view before its answer: the median; NaN when none was measured. */
  medianSeconds: number;
  /** Against the majority label of the picture (this rater's vote included): rows the majority, columns the rater. */
  confusion: number[][];
  /** Share of answers equal to the majority label. */
  withMajority: number;
  /** The same picture shown twice: how many, and how they agree. */
  repeats: { n: number; observed: number; kappa: number };
}

export interface Summary {
  labels: readonly string[];
  minVotes: number;
  pictures: AggregatedPicture[];
  status: Record<Status, number>;
  /** Settled pictures of each class, 'error' left out. */
  classes: { label: string; count: number }[];
  /** Pictures that were marked twice. */
  markedTwice: number;
  raters: RaterSummary[];
  agreement: { pictures: number; ratings: number; percent: Estimate; fleiss: Estimate; alpha: Estimate };
  pairs: PairSummary[];
  /** The pictures on which raters disagree most, by the entropy of p_k. */
  disputed: (AggregatedPicture & { entropy: number })[];
  bootstrap: { replicates: number; unit: 'picture' | 'subject'; units: number };
}

const disputedCount = 48;

export async function summarise(history: LabelHistory, options: SummaryOptions): Promise<Summary> {
  const result = aggregate(history, options);
  const present = new Set(history.pictures.map(({ id }) => id));
  const votes = standingVotes(history, options.excluded).filter(({ picture }) => present.has(picture));
  const first = votesOfRound(votes, 1);
  const active = new Set(votes.map(({ rater }) => rater));
  const raters = history.raters.filter(({ id }) => active.has(id));
  const ratings = ratingsOf(history, raters, first);
  const { agreement, pairs, units, unit } = await agreementOf(history, raters, ratings, first.length, options);
  const count = (status: Status) => result.pictures.filter((picture) => picture.status === status).length;
  return {
    labels: history.labels,
    minVotes: result.minVotes,
    pictures: result.pictures,
    status: {
      settled: count('settled'),
      error: count('error'),
      tied: count('tied'),
      'second round': count('second round'),
      incomplete: count('incomplete'),
    },
    classes: history.labels.slice(0, -1).map((label) => ({
      label,
      count: result.pictures.filter((picture) => picture.label === label).length,
    })),
    markedTwice: result.pictures.filter(({ marked }) => marked === 2).length,
    raters: raters.map((rater) => raterSummary(rater, history, votes, result)),
    agreement,
    pairs,
    disputed: mostDisputed(result),
    bootstrap: { replicates: options.replicates, unit, units },
  };
}

function ratingsOf(history: LabelHistory, raters: readonly Rater[], votes: readonly Vote[]): Ratings {
  const row = new Map(history.pictures.map(({ id }, i) => [id, i]));
  const column = new Map(raters.map(({ id }, r) => [id, r]));
  const values = new Int8Array(history.pictures.length * raters.length).fill(-1);
  for (const { picture, rater, label } of votes) {
    const i = row.get(picture);
    const r = column.get(rater);
    if (i !== undefined && r !== undefined) values[i * raters.length + r] = history.labels.indexOf(label);
  }
  return { raters: raters.length, labels: history.labels.length, values };
}

async function agreementOf(
  history: LabelHistory,
  raters: readonly Rater[],
  ratings: Ratings,
  given: number,
  { replicates, seed = 0, subjects, onProgress }: SummaryOptions,
) {
  const counts = labelCounts(ratings);
  const indices = raters.flatMap((_, a) => raters.slice(a + 1).map((_, b) => [a, a + 1 + b] as const));
  const { groups, units, unit } = groupsOf(history, subjects);
  const statistics = (weights?: ArrayLike<number>) => {
    const fleiss = fleissKappa(counts, ratings.labels, weights);
    const alpha = krippendorffAlpha(counts, ratings.labels, weights);
    const kappas = indices.map(([a, b]) => cohenKappa(pairTable(ratings, a, b, weights)));
    return {
      fleiss,
      alpha,
      kappas,
      values: [fleiss.observed, fleiss.kappa, alpha.alpha, ...kappas.map((k) => k.kappa)],
    };
  };
  const whole = statistics();
  const intervals = await bootstrap((weights) => statistics(weights).values, { groups, replicates, seed, onProgress });
  const estimate = (k: number): Estimate => ({
    value: whole.values[k] ?? Number.NaN,
    low: intervals[k]?.low ?? Number.NaN,
    high: intervals[k]?.high ?? Number.NaN,
  });
  return {
    unit,
    units,
    agreement: {
      pictures: whole.fleiss.n,
      ratings: given,
      percent: estimate(0),
      fleiss: estimate(1),
      alpha: estimate(2),
    },
    pairs: indices.map(
      ([a, b], k): PairSummary => ({
        raters: [raters[a]?.name ?? '', raters[b]?.name ?? ''],
        n: whole.kappas[k]?.n ?? 0,
        observed: whole.kappas[k]?.observed ?? Number.NaN,
        kappa: estimate(3 + k),
      }),
    ),
  };
}

/** What the bootstrap draws: subjects where the manifest names any, else pictures. */
function groupsOf({ pictures }: LabelHistory, subjects: ReadonlyMap<string, string> = new Map()) {
  const numbers = new Map<string, number>();
  const groups = pictures.map(({ path }) => {
    const subject = subjects.get(path);
    const name = subject === undefined ? `picture ${path}` : `subject ${subject}`;
    const group = numbers.get(name) ?? numbers.size;
    numbers.set(name, group);
    return group;
  });
  const unit: 'subject' | 'picture' = subjects.size > 0 ? 'subject' : 'picture';
  return { groups, units: numbers.size, unit };
}

function raterSummary(rater: Rater, history: LabelHistory, votes: readonly Vote[], result: Aggregate): RaterSummary {
  const { labels } = history;
  const mine = votes.filter((vote) => vote.rater === rater.id);
  const first = votesOfRound(mine, 1);
  const majority = new Map(
    result.pictures.map(({ id, status, label }) => [
      id,
      status === 'error' ? labels.length - 1 : labels.indexOf(label ?? ''),
    ]),
  );
  const square = () => labels.map(() => labels.map(() => 0));
  const add = (table: number[][], row: number, column: number) => {
    const cells = table[row];
    if (cells && column >= 0) cells[column] = (cells[column] ?? 0) + 1;
  };
  const confusion = square();
  for (const { picture, label } of first) add(confusion, majority.get(picture) ?? -1, labels.indexOf(label));
  const before = new Map(first.map(({ picture, label }) => [picture, label]));
  const twice = square();
  for (const { picture, repeat, label } of mine) {
    if (repeat === 1) add(twice, labels.indexOf(before.get(picture) ?? ''), labels.indexOf(label));
  }
  const { n, observed, kappa } = cohenKappa(twice);
  return {
    name: rater.name,
    answers: [first.length, votesOfRound(mine, 2).length],
    undone: history.acts.filter((act) => act.rater === rater.id && act.kind === 'undo').length,
    medianSeconds: median(mine.flatMap(({ elapsed }) => (elapsed === null ? [] : [elapsed / 1000]))),
    confusion,
    withMajority: cohenKappa(confusion).observed,
    repeats: { n, observed, kappa },
  };
}

function mostDisputed({ pictures }: Aggregate): Summary['disputed'] {
  return pictures
    .map((picture) => ({ ...picture, entropy: entropy(picture.distribution) }))
    .filter((picture) => picture.entropy > 0)
    .sort((a, b) => b.entropy - a.entropy || a.id - b.id)
    .slice(0, disputedCount);
}

/** −Σ p log₂ p, in bits. */
function entropy(distribution: readonly number[]): number {
  return distribution.reduce((sum, p) => (p > 0 ? sum - p * Math.log2(p) : sum), 0);
}

function median(values: number[]): number {
  const sorted = values.sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}
