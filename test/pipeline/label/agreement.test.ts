import { describe, expect, it } from 'vitest';
import {
  cohenKappa,
  fleissKappa,
  krippendorffAlpha,
  labelCounts,
  pairTable,
  type Ratings,
} from '../../../pipeline/label/agreement.ts';
import { bootstrap } from '../../../pipeline/label/bootstrap.ts';
import { random } from '../../../pipeline/random.ts';

const counts = (rows: number[][]) => Float64Array.from(rows.flat());

/** Ratings from one line per rater, one character per picture, '.' for none; labels are counted from '1'. */
function fromLines(lines: string[], labels: number): Ratings {
  const rows = lines.map((line) => [...line.replaceAll(' ', '')]);
  const pictures = rows[0]?.length ?? 0;
  const values = new Int8Array(pictures * rows.length);
  for (const [r, row] of rows.entries()) {
    for (const [i, c] of row.entries()) values[i * rows.length + r] = c === '.' ? -1 : Number(c) - 1;
  }
  return { raters: rows.length, labels, values };
}

describe("Cohen's kappa", () => {
  it('gives the value of Cohen (1960), A coefficient of agreement for nominal scales, table 1', () => {
    // Proportions .44 .07 .09 / .05 .20 .05 / .01 .03 .06 of 200 judgements: p_o = .70, p_c = .41, κ = .492.
    const { n, observed, expected, kappa } = cohenKappa([
      [88, 14, 18],
      [10, 40, 10],
      [2, 6, 12],
    ]);
    expect(n).toBe(200);
    expect(observed).toBeCloseTo(0.7, 12);
    expect(expected).toBeCloseTo(0.41, 12);
    expect(kappa).toBeCloseTo(0.492, 3);
  });

  it('is 1 for full agreement, −1 for opposite halves, and undefined where chance alone explains all', () => {
    expect(
      cohenKappa([
        [3, 0],
        [0, 5],
      ]).kappa,
    ).toBe(1);
    expect(
      cohenKappa([
        [0, 4],
        [4, 0],
      ]).kappa,
    ).toBe(-1);
    expect(
      cohenKappa([
        [7, 0],
        [0, 0],
      ]).kappa,
    ).toBeNaN();
    expect(
      cohenKappa([
        [0, 0],
        [0, 0],
      ]).kappa,
    ).toBeNaN();
  });

  it('takes only the pictures that both rated', () => {
    const ratings = fromLines(['1 2 . 1 2', '1 . 2 2 2'], 2);
    expect(pairTable(ratings, 0, 1)).toEqual([
      [1, 1],
      [0, 1],
    ]);
  });
});

describe("Fleiss' kappa", () => {
  it('gives the values of Fleiss (1971), Measuring nominal scale agreement among many raters', () => {
    // 30 patients, 6 psychiatrists: depression, personality disorder, schizophrenia, neurosis, other.
    // Published: P̄ = .555, P̄_e = .220, κ = .430.
    const table = counts([
      [0, 0, 0, 6, 0],
      [0, 3, 0, 0, 3],
      [0, 1, 4, 0, 1],
      [0, 0, 0, 0, 6],
      [0, 3, 0, 3, 0],
      [2, 0, 4, 0, 0],
      [0, 0, 4, 0, 2],
      [2, 0, 3, 1, 0],
      [2, 0, 0, 4, 0],
      [0, 0, 0, 0, 6],
      [1, 0, 0, 5, 0],
      [1, 1, 0, 4, 0],
      [0, 3, 3, 0, 0],
      [1, 0, 0, 5, 0],
      [0, 2, 0, 3, 1],
      [0, 0, 5, 0, 1],
      [3, 0, 0, 1, 2],
      [5, 1, 0, 0, 0],
      [0, 2, 0, 4, 0],
      [1, 0, 2, 0, 3],
      [0, 0, 0, 0, 6],
      [0, 1, 0, 5, 0],
      [0, 2, 0, 1, 3],
      [2, 0, 0, 4, 0],
      [1, 0, 0, 4, 1],
      [0, 5, 0, 1, 0],
      [4, 0, 0, 0, 2],
      [0, 2, 0, 4, 0],
      [1, 0, 5, 0, 0],
      [0, 0, 0, 0, 6],
    ]);
    const { n, observed, expected, kappa } = fleissKappa(table, 5);
    expect(n).toBe(30);
    expect(observed).toBeCloseTo(0.555, 2);
    expect(expected).toBeCloseTo(0.22, 3);
    expect(kappa).toBeCloseTo(0.43, 3);
  });

  it('gives the values of the worked example in Wikipedia, Fleiss’ kappa: 14 raters, 10 subjects', () => {
    const table = counts([
      [0, 0, 0, 0, 14],
      [0, 2, 6, 4, 2],
      [0, 0, 3, 5, 6],
      [0, 3, 9, 2, 0],
      [2, 2, 8, 1, 1],
      [7, 7, 0, 0, 0],
      [3, 2, 6, 3, 0],
      [2, 5, 3, 2, 2],
      [6, 5, 2, 1, 0],
      [0, 2, 2, 3, 7],
    ]);
    const { observed, expected, kappa } = fleissKappa(table, 5);
    expect(observed).toBeCloseTo(0.378, 3);
    expect(expected).toBeCloseTo(0.213, 3);
    expect(kappa).toBeCloseTo(0.21, 3);
  });

  it('leaves out pictures with fewer than two ratings', () => {
    const full = counts([
      [3, 0],
      [2, 1],
      [0, 3],
    ]);
    const withMissing = counts([
      [3, 0],
      [2, 1],
      [0, 3],
      [1, 0],
      [0, 0],
    ]);
    expect(fleissKappa(withMissing, 2)).toEqual(fleissKappa(full, 2));
  });
});

describe("Krippendorff's alpha", () => {
  it('gives α = .743 for example C of Krippendorff (2011), Computing Krippendorff’s alpha-reliability', () => {
    // 4 observers, 12 units, missing data, 5 categories.
    const ratings = fromLines(
      ['1 2 3 3 2 1 4 1 2 . . .', '1 2 3 3 2 2 4 1 2 5 . 3', '. 3 3 3 2 3 4 2 2 5 1 .', '1 2 3 3 2 4 4 1 2 5 1 .'],
      5,
    );
    const { n, alpha } = krippendorffAlpha(labelCounts(ratings), 5);
    expect(n).toBe(11); // the last unit has one rating and no pair
    expect(alpha).toBeCloseTo(0.743, 3);
  });

  it('gives α = .095 for example A of the same text: two observers, binary data', () => {
    const ratings = fromLines(['1 2 1 1 1 1 1 1 2 1', '2 2 2 1 1 2 1 1 1 1'], 2);
    const { alpha } = krippendorffAlpha(labelCounts(ratings), 2);
    expect(alpha).toBeCloseTo(0.095, 3);
  });

  it('gives α = .692 for example B of the same text: two observers, five categories', () => {
    const ratings = fromLines(['1 1 2 2 4 3 3 3 5 4 4 1', '2 1 2 2 2 3 3 3 5 4 4 4'], 5);
    expect(krippendorffAlpha(labelCounts(ratings), 5).alpha).toBeCloseTo(0.692, 3);
  });

  it('is undefined when only one label was ever used', () => {
    expect(
      krippendorffAlpha(
        counts([
          [3, 0],
          [2, 0],
        ]),
        2,
      ).alpha,
    ).toBeNaN();
  });
});

describe('bootstrap', () => {
  /** 400 pairs of ratings with κ near 0.5. */
  const pairs = () => {
    const g = random(5);
    const values = new Int8Array(800);
    for (let i = 0; i < 400; i++) {
      const a = g.integer(3);
      values[2 * i] = a;
      values[2 * i + 1] = g.chance(0.5) ? a : g.integer(3);
    }
    return { raters: 2, labels: 3, values } satisfies Ratings;
  };
  const each = (n: number) => Uint32Array.from({ length: n }, (_, i) => i);

  it("has the width that the standard error of Cohen's kappa predicts (Fleiss, Cohen & Everitt 1969, eq. 13)", async () => {
    const ratings = pairs();
    const table = pairTable(ratings, 0, 1);
    const { kappa, expected, n } = cohenKappa(table);
    const p = table.map((row) => row.map((x) => x / n));
    const rows = p.map((row) => row.reduce((a, b) => a + b));
    const columns = p.map((_, k) => p.reduce((a, row) => a + (row[k] ?? 0), 0));
    let a = 0;
    let b = 0;
    for (const [i, row] of p.entries()) {
      for (const [j, x] of row.entries()) {
        const margin = (rows[j] ?? 0) + (columns[i] ?? 0);
        if (i === j) a += x * (1 - ((rows[i] ?? 0) + (columns[i] ?? 0)) * (1 - kappa)) ** 2;
        else b += (1 - kappa) ** 2 * x * margin ** 2;
      }
    }
    const c = (kappa - expected * (1 - kappa)) ** 2;
    const error = Math.sqrt((a + b - c) / n) / (1 - expected);
    const [interval] = await bootstrap((w) => [cohenKappa(pairTable(ratings, 0, 1, w)).kappa], {
      groups: each(400),
      replicates: 4000,
      seed: 1,
    });
    const width = (interval?.high ?? 0) - (interval?.low ?? 0);
    expect(width / (2 * 1.96 * error)).toBeGreaterThan(0.93);
    expect(width / (2 * 1.96 * error)).toBeLessThan(1.07);
    expect(interval?.low).toBeLessThan(kappa);
    expect(interval?.high).toBeGreaterThan(kappa);
  });

  it('is wider when whole subjects are drawn and the pictures of a subject are alike', async () => {
    // 40 subjects with 10 equal pictures each: 400 pictures hold no more than 40 do.
    const groups = Uint32Array.from({ length: 400 }, (_, i) => Math.floor(i / 10));
    const ratings = pairs();
    for (let i = 0; i < 400; i++) {
      const first = Math.floor(i / 10) * 10;
      ratings.values[2 * i] = ratings.values[2 * first] ?? 0;
      ratings.values[2 * i + 1] = ratings.values[2 * first + 1] ?? 0;
    }
    const statistic = (w: ArrayLike<number>) => [cohenKappa(pairTable(ratings, 0, 1, w)).kappa];
    const width = async (g: Uint32Array) => {
      const [interval] = await bootstrap(statistic, { groups: g, replicates: 500, seed: 2 });
      return (interval?.high ?? 0) - (interval?.low ?? 0);
    };
    expect(await width(groups)).toBeGreaterThan(2 * (await width(each(400))));
  });

  it('is the same for the same seed, and has no ends where nothing is defined', async () => {
    const ratings = pairs();
    const run = (seed: number) =>
      bootstrap((w) => [cohenKappa(pairTable(ratings, 0, 1, w)).kappa, Number.NaN], {
        groups: each(400),
        replicates: 50,
        seed,
      });
    expect(await run(3)).toEqual(await run(3));
    expect((await run(3))[0]).not.toEqual((await run(4))[0]);
    expect((await run(3))[1]).toEqual({ low: Number.NaN, high: Number.NaN });
  });
});
