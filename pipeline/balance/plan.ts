/** How many pictures of which class a balanced data set lacks, and what they are made from. */
import { ConfigError, DataError } from '../../engine/index.ts';
import type { DataSet, Picture } from '../dataset/read.ts';

/** One CycleGAN to train: pictures of `from` become pictures of `to`. */
export interface BalanceTask {
  readonly from: string;
  readonly to: string;
  /** Pictures to add. */
  readonly make: number;
}

/** `happy=4000,sad=4025` → sizes wanted per class. */
export function parseTargets(text: string, classes: readonly string[]): Map<string, number> {
  const wanted = new Map<string, number>();
  for (const pair of text.split(',')) {
    const match = /^\s*([^=]+?)\s*=\s*(\d+)\s*$/.exec(pair);
    if (!match || !classes.includes(match[1])) {
      const wrong = match ? `there is no class "${match[1]}"` : `"${pair}" is not of the form class=number`;
      throw new ConfigError(`--to ${text}: ${wrong}.`, {
        remedy: `Classes here: ${classes.join(', ')}. Example: --to ${classes.map((c) => `${c}=4000`).join(',')}`,
      });
    }
    if (wanted.has(match[1])) {
      throw new ConfigError(`--to ${text} names ${match[1]} twice.`, { remedy: 'Give each class one size.' });
    }
    wanted.set(match[1], Number(match[2]));
  }
  return wanted;
}

/** Pictures per class, real and generated. */
export function countByClass(data: DataSet): Map<string, number> {
  const counts = new Map(data.classes.map((name) => [name, 0]));
  for (const { label } of data.pictures) {
    const name = data.classes[label];
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/**
 * The tasks, in the order of the classes. Without `to` every class is brought to the size of the largest; `from` is the
 * class that is turned into the others, by default the one of which there are the most real pictures.
 */
export function planBalance(
  data: DataSet,
  options: { to?: string; from?: string; say?: (line: string) => void } = {},
): BalanceTask[] {
  const counts = countByClass(data);
  const real = countByClass({ ...data, pictures: data.pictures.filter(({ generated }) => !generated) });
  const from = options.from ?? [...real].sort((a, b) => b[1] - a[1])[0][0];
  if (!counts.has(from)) {
    throw new ConfigError(`--from ${from}: there is no such class.`, {
      remedy: `Classes here: ${data.classes.join(', ')}.`,
    });
  }
  const wanted = options.to
    ? parseTargets(options.to, data.classes)
    : new Map(data.classes.map((name) => [name, Math.max(...counts.values())]));
  const tasks: BalanceTask[] = [];
  for (const [to, size] of wanted) {
    const make = size - (counts.get(to) ?? 0);
    if (make < 0) options.say?.(`${to} has ${counts.get(to)} already, more than ${size}; nothing is taken away.`);
    if (make <= 0 || (to === from && !options.to)) continue;
    if (to === from) {
      throw new ConfigError(`${to} is to grow to ${size}, but it is the class that the others are made from.`, {
        remedy: 'Choose another with --from.',
      });
    }
    tasks.push({ from, to, make });
  }
  return tasks;
}

/** Subjects that the manifest holds out: a split puts all pictures of one on that side, marked or not. */
const heldOut = (data: DataSet): Set<string> =>
  new Set(data.pictures.flatMap(({ split, subject }) => (split && split !== 'train' ? subject : [])));

/** Real pictures of a class of subjects that may be trained on: those that the manifest holds out are left out. */
export function trainable(data: DataSet, name: string): Picture[] {
  const label = data.classes.indexOf(name);
  const held = heldOut(data);
  return data.pictures.filter((p) => p.label === label && !p.generated && !held.has(p.subject));
}

/** The same, for a class that a CycleGAN is to learn from. @throws DataError when there are too few. */
export function realPictures(data: DataSet, name: string): Picture[] {
  const pictures = trainable(data, name);
  if (pictures.length < 2) {
    const found = pictures.length === 0 ? 'no real picture' : 'one real picture';
    throw new DataError(`The class ${name} has ${found} to learn from.`, {
      remedy:
        'A CycleGAN needs at least a few dozen of each of its two classes; those of subjects held out for validation or tests do not count.',
    });
  }
  return pictures;
}
