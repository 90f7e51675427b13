import { expect, test } from 'vitest';
import type { Picture } from '../../pipeline/dataset/read.ts';
import { evaluatePredictions, formatEvaluation, restricted } from '../../pipeline/evaluate/evaluation.ts';
import { argmaxRow, computeMetrics, confusionMatrix } from '../../pipeline/evaluate/metrics.ts';
import { confusionTable, macroLine, metricsMarkdown, metricsTable } from '../../pipeline/evaluate/table.ts';

/** A matrix with these row sums, diagonal and column sums; the first that counting upwards finds. */
function matrixOf(support: number[], hits: number[], predicted: number[]): number[][] {
  const [h, s, n] = support as [number, number, number];
  const [th, ts, tn] = hits as [number, number, number];
  const [ph, ps, pn] = predicted as [number, number, number];
  for (let hs = 0; hs <= h - th; hs += 1) {
    const hn = h - th - hs;
    const ns = ps - ts - hs;
    const sn = pn - tn - hn;
    const nh = n - tn - ns;
    const sh = s - ts - sn;
    if (Math.min(hn, ns, sn, nh, sh) >= 0 && sh + nh === ph - th) {
      return [
        [th, hs, hn],
        [sh, ts, sn],
        [nh, ns, tn],
      ];
    }
  }
  throw new Error('no such matrix');
}

const balanced = [800, 805, 808];
const original = [500, 214, 808];

// The counts are the only ones that give the figures of tables 4 and 5. The first row's sad precision and F1 are printed
// as 82.96 and 64.90 in the paper; no whole counts give those, and the neighbouring figures force 81.96 and 64.40.
test.each([
  [
    'DLP',
    balanced,
    [498, 427, 644],
    [746, 521, 1146],
    [62.25, 66.76, 64.42, 53.04, 81.96, 64.4, 79.7, 56.2, 65.92],
    65.02,
  ],
  [
    'Baseline',
    balanced,
    [521, 662, 737],
    [647, 745, 1021],
    [65.13, 80.53, 72.01, 82.24, 88.86, 85.42, 91.21, 72.18, 80.59],
    79.57,
  ],
  [
    'SO-DL',
    balanced,
    [422, 756, 784],
    [457, 884, 1072],
    [52.75, 92.34, 67.14, 93.91, 85.52, 89.52, 97.03, 73.13, 83.4],
    81.31,
  ],
  [
    'SO-DLSE',
    balanced,
    [477, 753, 776],
    [520, 844, 1049],
    [59.62, 91.73, 72.27, 93.54, 89.22, 91.33, 96.04, 73.98, 83.58],
    83.13,
  ],
  [
    'VFESO-DLSE',
    balanced,
    [628, 775, 718],
    [674, 911, 828],
    [78.5, 93.18, 85.21, 96.27, 85.07, 90.33, 88.86, 86.71, 87.78],
    87.9,
  ],
  [
    'SO-DLSE, original',
    original,
    [268, 0, 624],
    [566, 0, 956],
    [53.6, 47.35, 50.28, 0, 0, 0, 77.23, 65.27, 70.75],
    58.61,
  ],
  [
    'VFESO-DLSE, original',
    original,
    [282, 83, 765],
    [335, 109, 1078],
    [56.4, 84.18, 67.54, 38.79, 76.14, 51.39, 94.68, 70.96, 81.12],
    74.24,
  ],
])('the paper’s row %s', (_, support, hits, predicted, printed, accuracy) => {
  const metrics = computeMetrics(matrixOf(support, hits, predicted));
  const figures = metrics.perClass.flatMap(({ recall, precision, f1 }) => [recall, precision, f1]);
  for (const [i, figure] of figures.entries())
    expect(Math.abs(100 * figure - (printed[i] as number)), `figure ${i}`).toBeLessThan(0.0101);
  expect(Math.abs(100 * metrics.accuracy - accuracy)).toBeLessThan(0.0051);
});

test('the unique matrix of SO-DLSE on the original data, printed in the paper’s form', () => {
  const metrics = computeMetrics([
    [268, 0, 232],
    [114, 0, 100],
    [184, 0, 624],
  ]);
  const classes = ['happy', 'sad', 'normal'];
  const table = metricsTable(classes, [{ name: 'SO-DLSE', metrics }]);
  const cells = table.split('\n').at(-2)?.replaceAll('│', ' ').trim().split(/\s+/);
  expect(cells?.slice(2)).toEqual([
    '53.60',
    '47.35',
    '50.28',
    '0.00',
    '0.00',
    '0.00',
    '77.23',
    '65.27',
    '70.75',
    '58.61',
  ]);
  expect(confusionTable(classes, metrics)).toMatch(/sad\s*│\s*114 │\s*0 │\s*100/);
  expect(metricsMarkdown(classes, metrics)).toContain('| normal | 808 | 77.23 | 65.27 | 70.75 |');
  expect(metrics.macro.recall).toBeCloseTo(0.4361, 4);
  expect(macroLine(metrics)).toContain('macro recall 43.61');
});

test('counting', () => {
  expect(confusionMatrix(2, [0, 1, 1, 1], [0, 0, 1, 1])).toEqual([
    [1, 0],
    [1, 2],
  ]);
  expect(() => confusionMatrix(2, [0], [2])).toThrow(/outside 2 classes/);
  expect(() => confusionMatrix(2, [0], [])).toThrow(/1 labels but 0/);
  expect(argmaxRow([0, 3, 1, 5, 5, 4], 0, 3)).toBe(1);
  expect(argmaxRow([0, 3, 1, 5, 5, 4], 1, 3)).toBe(0);
});

test('a class without pictures has no figures and no part in the means', () => {
  // Generated pictures alone: happy and sad ones, some of which are taken for normal.
  const metrics = computeMetrics([
    [6, 0, 2],
    [0, 0, 0],
    [1, 1, 2],
  ]);
  expect(metrics.macro.recall).toBeCloseTo((6 / 8 + 2 / 4) / 2, 12);
  expect(metrics.macro.precision).toBeCloseTo((6 / 7 + 2 / 4) / 2, 12);
  expect(metrics.macro.f1).toBeCloseTo((12 / 15 + 4 / 8) / 2, 12);
  expect(metrics.accuracy).toBeCloseTo(8 / 12, 12);
  const classes = ['happy', 'normal', 'sad'];
  expect(metricsMarkdown(classes, metrics)).toContain('| normal | 0 | – | – | – |');
  expect(metricsTable(classes, [{ name: 'generated', metrics }])).toMatch(/80\.00 │ +– │ +– │ +– │ +50\.00/);
});

test('nothing at all gives zeros, not NaN', () => {
  const metrics = computeMetrics([
    [0, 0],
    [0, 0],
  ]);
  expect([metrics.accuracy, metrics.macro.f1, metrics.total]).toEqual([0, 0, 0]);
});

test('a network of more classes than the data set is measured also with the classes of the data set to choose from', () => {
  const picture = (label: number): Picture => ({
    ...{ file: `${label}.png`, name: `${label}.png`, label, target: [], subject: 'anna', generated: false },
  });
  const pictures = [picture(0), picture(2), picture(2)];
  // The first is taken for the absent class; of happy and normal it has more of happy.
  const probabilities = [0.3, 0.5, 0.2, 0.1, 0.2, 0.7, 0.4, 0.5, 0.1];
  const evaluation = evaluatePredictions(pictures, probabilities, 3);
  expect(evaluation.all.accuracy).toBeCloseTo(1 / 3, 12);
  expect(restricted(evaluation.predictions, [0, 2]).confusion).toEqual([
    [1, 0],
    [1, 1],
  ]);
  const text = formatEvaluation('dlp', ['happy', 'sad', 'normal'], evaluation);
  expect(text).toMatch(/With happy, normal alone to choose from, the classes that have pictures:/);
  const whole = evaluatePredictions([picture(0), picture(1), picture(2)], probabilities, 3);
  expect(formatEvaluation('dlp', ['happy', 'sad', 'normal'], whole)).not.toMatch(/to choose from/);
});
