/**
 * How far raters agree, on nominal labels. Every statistic takes counts, so that a bootstrap can weigh them; one that
 * the data do not define (one rater, one label used by all) is NaN, never a made-up number.
 */

/** Ratings of N pictures by R raters: label index of picture i by rater r at [i · R + r], −1 where there is none. */
export interface Ratings {
  raters: number;
  labels: number;
  values: Int8Array;
}

/** Weight of each picture; a bootstrap sample repeats some and leaves out others. All 1 by default. */
export type Weights = ArrayLike<number>;

export interface Kappa {
  /** Number of pictures, weighted. */
  n: number;
  /** Observed share of agreement. */
  observed: number;
  /** Share expected by chance. */
  expected: number;
  kappa: number;
}

const corrected = (n: number, observed: number, expected: number): Kappa => ({
  n,
  observed,
  expected,
  kappa: n > 0 && expected < 1 ? (observed - expected) / (1 - expected) : Number.NaN,
});

/** Cohen's κ of two raters from their table: rows the first rater's labels, columns the second's (Cohen 1960). */
export function cohenKappa(table: readonly (readonly number[])[]): Kappa {
  const rows = table.map((row) => row.reduce((a, b) => a + b, 0));
  const n = rows.reduce((a, b) => a + b, 0);
  let agreed = 0;
  let chance = 0;
  for (const [k, row] of table.entries()) {
    agreed += row[k] ?? 0;
    let column = 0;
    for (const other of table) column += other[k] ?? 0;
    chance += ((rows[k] ?? 0) / n) * (column / n);
  }
  return corrected(n, agreed / n, chance);
}

/** The table of two raters over the pictures that both rated. */
export function pairTable({ raters, labels, values }: Ratings, a: number, b: number, weights?: Weights): number[][] {
  const table = Array.from({ length: labels }, () => new Array<number>(labels).fill(0));
  const pictures = values.length / raters;
  for (let i = 0; i < pictures; i++) {
    const x = values[i * raters + a] ?? -1;
    const y = values[i * raters + b] ?? -1;
    const row = table[x];
    if (row && y >= 0) row[y] = (row[y] ?? 0) + (weights?.[i] ?? 1);
  }
  return table;
}

/** Number of raters who gave each label, [i · labels + k]. */
export function labelCounts({ raters, labels, values }: Ratings): Float64Array {
  const pictures = values.length / raters;
  const counts = new Float64Array(pictures * labels);
  for (let i = 0; i < pictures; i++) {
    for (let r = 0; r < raters; r++) {
      const k = values[i * raters + r] ?? -1;
      if (k >= 0) counts[i * labels + k] = (counts[i * labels + k] ?? 0) + 1;
    }
  }
  return counts;
}

/**
 * Fleiss' κ from counts [i · labels + k] (Fleiss 1971). Where pictures have different numbers of ratings, each counts by
 * its own pairs: P_i = Σ_k n_ik (n_ik − 1) / (n_i (n_i − 1)) and p_k is the share of all ratings; pictures with fewer
 * than two ratings are left out. With equal numbers this is Fleiss' formula. `observed` is the mean pairwise agreement.
 */
export function fleissKappa(counts: Float64Array, labels: number, weights?: Weights): Kappa {
  const totals = new Float64Array(labels);
  let pictures = 0;
  let agreement = 0;
  for (let i = 0; i * labels < counts.length; i++) {
    const weight = weights?.[i] ?? 1;
    let n = 0;
    let pairs = 0;
    for (let k = 0; k < labels; k++) {
      const c = counts[i * labels + k] ?? 0;
      n += c;
      pairs += c * (c - 1);
    }
    if (n < 2 || weight === 0) continue;
    pictures += weight;
    agreement += (weight * pairs) / (n * (n - 1));
    for (let k = 0; k < labels; k++) totals[k] = (totals[k] ?? 0) + weight * (counts[i * labels + k] ?? 0);
  }
  const all = totals.reduce((a, b) => a + b, 0);
  const expected = totals.reduce((a, b) => a + (b / all) ** 2, 0);
  return corrected(pictures, agreement / pictures, expected);
}

export interface Alpha {
  /** Number of pictures with at least two ratings, weighted. */
  n: number;
  /** Disagreement observed and expected, D_o and D_e. */
  observed: number;
  expected: number;
  alpha: number;
}

/**
 * Krippendorff's α for nominal data with any ratings missing (Krippendorff 2011, "Computing Krippendorff's
 * alpha-reliability"): α = 1 − D_o / D_e over the coincidence matrix, in which a picture with m ratings puts each of its
 * ordered pairs with weight 1 / (m − 1); pictures with fewer than two ratings hold no pair.
 */
export function krippendorffAlpha(counts: Float64Array, labels: number, weights?: Weights): Alpha {
  const totals = new Float64Array(labels);
  let pictures = 0;
  let differing = 0;
  for (let i = 0; i * labels < counts.length; i++) {
    const weight = weights?.[i] ?? 1;
    let m = 0;
    let squares = 0;
    for (let k = 0; k < labels; k++) {
      const c = counts[i * labels + k] ?? 0;
      m += c;
      squares += c * c;
    }
    if (m < 2 || weight === 0) continue;
    pictures += weight;
    differing += (weight * (m * m - squares)) / (m - 1);
    for (let k = 0; k < labels; k++) totals[k] = (totals[k] ?? 0) + weight * (counts[i * labels + k] ?? 0);
  }
  const n = totals.reduce((a, b) => a + b, 0);
  const observed = differing / n;
  const expected = (n * n - totals.reduce((a, b) => a + b * b, 0)) / (n * (n - 1));
  return { n: pictures, observed, expected, alpha: expected > 0 ? 1 - observed / expected : Number.NaN };
}
