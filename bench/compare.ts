/** Two runs side by side, with a verdict that knows noise. */
import { median } from './measure.ts';
import type { Results } from './results.ts';

export interface Verdict {
  readonly name: string;
  /** Median of B over median of A: below 1, B is faster. */
  readonly ratio: number;
  /** The same of the yardstick, which is the same work in every run: how the machine itself changed. */
  readonly drift: number;
  readonly verdict: 'faster' | 'slower' | 'same';
}

/** Normal approximation of the Mann–Whitney U test, two-sided p. */
export function mannWhitney(a: readonly number[], b: readonly number[]): number {
  const all = [...a.map((v) => ({ v, first: true })), ...b.map((v) => ({ v, first: false }))].sort((x, y) => x.v - y.v);
  let rankSum = 0;
  for (let i = 0; i < all.length; ) {
    let j = i;
    while (j < all.length && all[j].v === all[i].v) j++;
    for (let k = i; k < j; k++) if (all[k].first) rankSum += (i + j + 1) / 2;
    i = j;
  }
  const [n, m] = [a.length, b.length];
  const u = rankSum - (n * (n + 1)) / 2;
  const z = Math.abs(u - (n * m) / 2) / Math.sqrt((n * m * (n + m + 1)) / 12);
  // Complementary error function, Abramowitz & Stegun 7.1.26.
  const x = z / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.min(1, poly * Math.exp(-x * x));
}

/** A difference counts when it is unlikely to be chance (p < 0.01) and at least 5 %. */
const differ = (a: readonly number[], b: readonly number[]): number => {
  const ratio = median(b) / median(a);
  const sure = mannWhitney(a, b) < 0.01 && Math.abs(Math.log(ratio)) > Math.log(1.05);
  return sure ? Math.sign(Math.log(ratio)) : 0;
};

/**
 * @param drift how much slower the machine itself was in B, by the yardstick. A verdict must stand with and without it:
 * a machine that changed its speed can hide a difference, but not make one.
 */
export function compareSamples(name: string, a: readonly number[], b: readonly number[], drift = 1): Verdict {
  const corrected = b.map((sample) => sample / drift);
  const [plain, without] = [differ(a, b), differ(a, corrected)];
  const verdict = plain !== without || plain === 0 ? 'same' : plain < 0 ? 'faster' : 'slower';
  return { name, ratio: median(b) / median(a), drift, verdict };
}

interface Measured {
  readonly samples: readonly number[];
  readonly yardstick: number;
}

const named = (results: Results): Map<string, Measured> =>
  new Map([
    ...results.ladder.map((r): [string, Measured] => [`${r.title} ${r.kernel}/${r.variant}`, r]),
    ...results.steps.map((r): [string, Measured] => [`${r.title} batch ${r.batch}`, r]),
  ]);

/** What both runs measured. */
export function compareRuns(a: Results, b: Results): Verdict[] {
  const before = named(a);
  return [...named(b)].flatMap(([name, { samples, yardstick }]) => {
    const old = before.get(name);
    return old ? [compareSamples(name, old.samples, samples, yardstick / old.yardstick)] : [];
  });
}
