/**
 * Whom weights have seen: the pictures and subjects that trained them or chose their checkpoint. It stands in every
 * checkpoint and export, because a file is copied and its run folder is not; as hashes, because names are nobody's business.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { CheckpointError } from '../../engine/errors.ts';
import type { Picture } from '../dataset/read.ts';
import type { SplitResult } from '../dataset/split.ts';

const marksSchema = z.object({
  /** Beginnings of SHA-256: of each picture's bytes and of the photograph or video it was cut from; of subjects' names. */
  pictures: z.array(z.string()),
  subjects: z.array(z.string()),
});
const seenSchema = z.array(
  z.object({
    /** The options that made the split. */
    split: z.string(),
    trained: marksSchema,
    /** What the best checkpoint was chosen by. */
    chosenBy: marksSchema,
  }),
);

/** One entry for each run on the way to the weights, the latest last. */
export type Seen = Readonly<z.infer<typeof seenSchema>>;

const short = (hash: string) => hash.slice(0, 16);
const markOfSubject = (name: string) => short(createHash('sha256').update(`subject ${name}`).digest('hex'));
const marksOf = ({ sha256, sourceSha256 }: Picture) =>
  [sha256, sourceSha256].flatMap((hash) => (hash === undefined ? [] : short(hash)));

const marksOfAll = (pictures: readonly Picture[]) => ({
  pictures: [...new Set(pictures.flatMap(marksOf))],
  subjects: [...new Set(pictures.map(({ subject }) => markOfSubject(subject)))],
});

/** What a run with this split sees. */
export function seenBy(
  split: Pick<SplitResult, 'train' | 'val'>,
  options: { seed: number; testShare: number; valShare: number },
): Seen[number] {
  return {
    split: `--seed ${options.seed} --test-share ${options.testShare} --val-share ${options.valShare}`,
    trained: marksOfAll(split.train),
    chosenBy: marksOfAll(split.val),
  };
}

/** Subjects of a data set that weights have seen. */
export interface Known {
  /** By pictures; or by name, where the weights have seen other pictures of the same data set. */
  readonly subjects: ReadonlySet<string>;
  /** Those that only have the name of one in another data set. */
  readonly namesakes: ReadonlySet<string>;
  /** The options that made the split of the latest run that saw some of them. */
  readonly split: string;
}

/**
 * Whom among `pictures`, all of a data set, the weights have seen.
 * @param by in training alone, or also when their checkpoint was chosen
 * @param copies pictures that make nobody known where another one is the same to the byte: what a split itself has on two
 * sides is not the weights' doing
 */
export function knownTo(
  seen: Seen,
  pictures: readonly Picture[],
  by: readonly ('trained' | 'chosenBy')[],
  copies: readonly Picture[] = [],
): Known {
  const subjects = new Set<string>();
  const namesakes = new Set<string>();
  let split = '';
  const [own, ownMarks] = [new Set(copies), new Set(copies.flatMap(marksOf))];
  const isCopy = (picture: Picture) => !own.has(picture) && marksOf(picture).some((mark) => ownMarks.has(mark));
  for (const run of seen) {
    const everything = new Set([...run.trained.pictures, ...run.chosenBy.pictures]);
    const marks = new Set(by.flatMap((how) => run[how].pictures));
    const names = new Set(by.flatMap((how) => run[how].subjects));
    const sameData = pictures.some((picture) => marksOf(picture).some((mark) => everything.has(mark)));
    for (const picture of pictures) {
      if (marksOf(picture).some((mark) => marks.has(mark)) && !isCopy(picture)) subjects.add(picture.subject);
      else if (names.has(markOfSubject(picture.subject))) (sameData ? subjects : namesakes).add(picture.subject);
    }
    if (sameData) split = run.split;
  }
  for (const subject of subjects) namesakes.delete(subject);
  return { subjects, namesakes, split };
}

/** How a safetensors file carries it, and what it carries: nothing where no kindergrad wrote it, or an earlier one. */
export const seenToMetadata = (seen: Seen | undefined): Record<string, string> =>
  seen ? { seen: JSON.stringify(seen) } : {};

/** @throws CheckpointError when it is there and damaged. */
export function seenFromMetadata({ seen }: Readonly<Record<string, string>>): Seen | undefined {
  if (seen === undefined) return undefined;
  try {
    return seenSchema.parse(JSON.parse(seen));
  } catch (error) {
    throw new CheckpointError('Its metadata do not say properly which pictures its weights have seen.', {
      cause: error,
    });
  }
}
