/** Splits a data set so that no subject is on two sides and every class keeps its share on each. */
import { DataError } from '../../engine/errors.ts';
import { plural } from '../plural.ts';
import { random } from '../random.ts';
import type { DataSet, Picture, Split } from './read.ts';

export interface SplitOptions {
  /** Share of the pictures for the final test, and for choosing the best checkpoint (0: none). */
  testShare: number;
  valShare: number;
  seed: number;
  /** Let generated pictures into val and test, as the paper's test set did; by default they only train. */
  generatedInTest: boolean;
}

export interface SplitResult {
  train: readonly Picture[];
  val: readonly Picture[];
  test: readonly Picture[];
  /** Generated pictures whose subject is held out: they may neither train nor test. */
  leftOut: readonly Picture[];
}

interface Subject {
  pictures: Picture[];
  /** Pictures that count towards the shares, by class. */
  counts: number[];
  split?: Split;
}

/**
 * Takes whole subjects in a seeded order and gives one to a side when that brings the side's class counts closer to the
 * wanted ones. Splits fixed in the manifest stay as they are.
 * @throws DataError when a class cannot be on every side, or the manifest puts a subject on two.
 */
export function splitDataSet(data: DataSet, options: SplitOptions): SplitResult {
  const subjects = groupSubjects(data, options);
  const free = random(options.seed, 20).shuffle(subjects.filter((subject) => subject.split === undefined));
  const totals = data.classes.map((_, k) => subjects.reduce((sum, subject) => sum + (subject.counts[k] ?? 0), 0));
  for (const [side, wanted] of [
    ['test', options.testShare],
    ['val', options.valShare],
  ] as const) {
    const fixed = subjects.filter((subject) => subject.split === side);
    if (wanted === 0 || fixed.length > 0) continue;
    assign(free, side, totals, wanted);
  }
  for (const subject of free) subject.split ??= 'train';

  const on = (side: Split) => subjects.filter((subject) => subject.split === side).flatMap(({ pictures }) => pictures);
  const heldOut = (side: Split) => on(side).filter((picture) => options.generatedInTest || !picture.generated);
  const result: SplitResult = {
    train: on('train'),
    val: heldOut('val'),
    test: heldOut('test'),
    leftOut: options.generatedInTest ? [] : [...on('val'), ...on('test')].filter((picture) => picture.generated),
  };
  checkSides(data, result, options, subjects.length);
  return result;
}

function groupSubjects(data: DataSet, options: SplitOptions): Subject[] {
  const subjects = new Map<string, Subject>();
  for (const picture of data.pictures) {
    const subject = subjects.get(picture.subject) ?? { pictures: [], counts: data.classes.map(() => 0) };
    subjects.set(picture.subject, subject);
    subject.pictures.push(picture);
    if (options.generatedInTest || !picture.generated) {
      subject.counts[picture.label] = (subject.counts[picture.label] ?? 0) + 1;
    }
    if (!picture.split) continue;
    if (subject.split && subject.split !== picture.split) {
      throw new DataError(
        `The manifest puts subject "${picture.subject}" both into ${subject.split} and ${picture.split}.`,
        {
          remedy: 'Give all pictures of a subject the same split, or remove the splits from manifest.jsonl.',
        },
      );
    }
    subject.split = picture.split;
  }
  return [...subjects.values()];
}

function assign(free: readonly Subject[], side: Split, totals: readonly number[], share: number): void {
  const have = totals.map(() => 0);
  // Squared distance to the wanted counts, each class measured against its own size so that rare ones weigh as much.
  const miss = (extra: readonly number[]) =>
    totals.reduce((sum, total, k) => {
      const off = total === 0 ? 0 : ((have[k] ?? 0) + (extra[k] ?? 0)) / total - share;
      return sum + off * off;
    }, 0);
  const nothing = totals.map(() => 0);
  for (const subject of free) {
    if (subject.split !== undefined || miss(subject.counts) >= miss(nothing)) continue;
    subject.split = side;
    for (const [k, count] of subject.counts.entries()) have[k] = (have[k] ?? 0) + count;
  }
}

function checkSides(data: DataSet, result: SplitResult, options: SplitOptions, subjects: number): void {
  const sides: [Split, number][] = [
    ['train', 1],
    ['test', options.testShare],
    ['val', options.valShare],
  ];
  for (const [side, share] of sides) {
    if (share === 0) continue;
    const missing = data.classes.find((_, k) => !result[side].some((picture) => picture.label === k));
    if (missing === undefined) continue;
    throw new DataError(
      `No ${options.generatedInTest ? '' : 'real '}picture of class "${missing}" is left for ${side} when ${plural(subjects, 'subject')} ${subjects === 1 ? 'stays' : 'stay'} whole.`,
      {
        remedy:
          'Add pictures of more subjects, change --test-share or --val-share, or name the subjects in manifest.jsonl.',
      },
    );
  }
}
