/** Predictions on a set of pictures and the figures that follow: of all, of real ones only, of generated ones only. */
import type { Picture } from '../dataset/read.ts';
import { argmaxRow, computeMetrics, confusionMatrix, type Metrics } from './metrics.ts';
import { confusionTable, macroLine, metricsTable, type NamedMetrics } from './table.ts';

export interface Prediction {
  picture: Picture;
  /** The class of the largest probability. */
  predicted: number;
  probabilities: readonly number[];
}

export interface Evaluation {
  predictions: readonly Prediction[];
  all: Metrics;
  /** Only where the set holds both kinds. */
  real?: Metrics;
  generated?: Metrics;
}

/** `probabilities`: [pictures, classes], row by row. */
export function evaluatePredictions(
  pictures: readonly Picture[],
  probabilities: ArrayLike<number>,
  classes: number,
): Evaluation {
  const predictions = pictures.map((picture, row): Prediction => {
    const own = Array.from({ length: classes }, (_, k) => probabilities[row * classes + k] as number);
    return { picture, predicted: argmaxRow(own, 0, classes), probabilities: own };
  });
  const of = (list: readonly Prediction[]) =>
    computeMetrics(
      confusionMatrix(
        classes,
        list.map(({ picture }) => picture.label),
        list.map(({ predicted }) => predicted),
      ),
    );
  const generated = predictions.filter(({ picture }) => picture.generated);
  if (generated.length === 0 || generated.length === predictions.length) return { predictions, all: of(predictions) };
  const real = predictions.filter(({ picture }) => !picture.generated);
  return { predictions, all: of(predictions), real: of(real), generated: of(generated) };
}

/** The tables for a terminal: the paper's form, one row for all pictures and one for each kind, then the counts. */
export function formatEvaluation(
  name: string,
  classes: readonly string[],
  { all, real, generated }: Evaluation,
): string {
  const rows: NamedMetrics[] = [{ name, metrics: all }];
  if (real) rows.push({ name: 'real only', metrics: real });
  if (generated) rows.push({ name: 'generated only', metrics: generated });
  return [metricsTable(classes, rows), macroLine(all), confusionTable(classes, all)].join('\n');
}
