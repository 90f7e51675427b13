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
  /** Why the figures are not those of new faces, or may not be. */
  caveat?: string;
  /** Names of the pictures whose subjects the network has seen, where there are some. */
  known?: ReadonlySet<string>;
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

/**
 * The figures of a network that may answer with some of its classes alone, its `choice`, to which all pictures belong: each
 * picture's class is the one of the largest probability among them.
 */
export function restricted(predictions: readonly Prediction[], choice: readonly number[]): Metrics {
  const answers = predictions.map(({ probabilities }) => {
    const own = choice.map((k) => probabilities[k] as number);
    return argmaxRow(own, 0, own.length);
  });
  return computeMetrics(
    confusionMatrix(
      choice.length,
      predictions.map(({ picture }) => choice.indexOf(picture.label)),
      answers,
    ),
  );
}

/**
 * The tables for a terminal: the paper's form, one row for all pictures and one for each kind, then the counts. Where some
 * classes have no pictures (a network of seven expressions on a data set of three, as in the paper's Table 3, which does not
 * say how it counts), also the figures with the others alone to choose from.
 */
export function formatEvaluation(
  name: string,
  classes: readonly string[],
  { predictions, all, real, generated, caveat }: Evaluation,
): string {
  const rows: NamedMetrics[] = [{ name, metrics: all }];
  if (real) rows.push({ name: 'real only', metrics: real });
  if (generated) rows.push({ name: 'generated only', metrics: generated });
  const lines = [metricsTable(classes, rows), macroLine(all), confusionTable(classes, all)];
  const choice = all.perClass.flatMap(({ support }, k) => (support > 0 ? [k] : []));
  if (choice.length > 1 && choice.length < classes.length) {
    const names = choice.map((k) => classes[k] as string);
    const metrics = restricted(predictions, choice);
    lines.push('', `With ${names.join(', ')} alone to choose from, the classes that have pictures:`);
    lines.push(metricsTable(names, [{ name, metrics }]), macroLine(metrics), confusionTable(names, metrics));
  }
  if (caveat) lines.push('', caveat);
  return lines.join('\n');
}
