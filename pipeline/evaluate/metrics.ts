/** Figures of merit from a confusion matrix, in the form of the paper's tables 4 and 5. */
import { ShapeError } from '../../engine/errors.ts';

/** Row: true class; column: predicted class. */
export type ConfusionMatrix = readonly (readonly number[])[];

export interface ClassMetrics {
  recall: number;
  precision: number;
  f1: number;
  /** Pictures of this class. */
  support: number;
}

/** All shares in [0, 1]. A share of nothing (a class that was never predicted) is 0, as in the paper. */
export interface Metrics {
  confusion: ConfusionMatrix;
  perClass: readonly ClassMetrics[];
  /** Correct pictures over all pictures: the paper's "average accuracy". */
  accuracy: number;
  /** Means over the classes that have pictures, each class counting the same. */
  macro: { recall: number; precision: number; f1: number };
  total: number;
}

/** Counts pairs of true and predicted class indices. */
export function confusionMatrix(classes: number, truth: ArrayLike<number>, predicted: ArrayLike<number>): number[][] {
  if (truth.length !== predicted.length) {
    throw new ShapeError(`confusionMatrix: ${truth.length} labels but ${predicted.length} predictions.`);
  }
  const matrix = Array.from({ length: classes }, () => Array<number>(classes).fill(0));
  for (let i = 0; i < truth.length; i += 1) {
    const row = matrix[truth[i] as number];
    const column = predicted[i] as number;
    if (row?.[column] === undefined) {
      throw new ShapeError(`confusionMatrix: label ${truth[i]} or prediction ${column} is outside ${classes} classes.`);
    }
    row[column] += 1;
  }
  return matrix;
}

const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

export function computeMetrics(confusion: ConfusionMatrix): Metrics {
  const columns = confusion.map((_, k) => sum(confusion.map((row) => row[k] ?? 0)));
  const perClass = confusion.map((row, k) => {
    const hits = row[k] ?? 0;
    const support = sum(row);
    const recall = ratio(hits, support);
    const precision = ratio(hits, columns[k] ?? 0);
    return { recall, precision, f1: ratio(2 * recall * precision, recall + precision), support };
  });
  const total = sum(columns);
  // A class without pictures cannot be recognised: its zeros would pull the means down (generated pictures alone hold none
  // of the class that they are made from).
  const present = perClass.filter(({ support }) => support > 0);
  const mean = (pick: (metrics: ClassMetrics) => number) => ratio(sum(present.map(pick)), present.length);
  return {
    confusion,
    perClass,
    accuracy: ratio(sum(confusion.map((row, k) => row[k] ?? 0)), total),
    macro: { recall: mean((m) => m.recall), precision: mean((m) => m.precision), f1: mean((m) => m.f1) },
    total,
  };
}

/** Index of the largest value in row `row` of a [rows, classes] array; the first one where several are equal. */
export function argmaxRow(values: ArrayLike<number>, row: number, classes: number): number {
  let best = 0;
  for (let k = 1; k < classes; k += 1) {
    if ((values[row * classes + k] as number) > (values[row * classes + best] as number)) best = k;
  }
  return best;
}
