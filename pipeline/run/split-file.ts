/** split.json: which picture is on which side of a run's split, so that anyone can check it and a resumed run keeps it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../engine/errors.ts';
import type { DataSet, Picture, Skipped } from '../dataset/read.ts';
import type { SplitResult } from '../dataset/split.ts';
import { fileErrorReason, writeFileAtomic } from '../files.ts';
import { plural } from '../plural.ts';

const sides = ['train', 'val', 'test', 'leftOut'] as const;

/** Splits of earlier versions lack the hash. */
const entry = z.object({
  path: z.string(),
  subject: z.string(),
  label: z.string(),
  sha256: z.string().optional(),
});
const skippedEntry = z.object({ name: z.string(), reason: z.string() });
const schema = z.object({
  train: z.array(entry),
  val: z.array(entry),
  test: z.array(entry),
  leftOut: z.array(entry),
  skipped: z.array(skippedEntry),
});

export async function writeSplit(run: string, data: DataSet, split: SplitResult): Promise<void> {
  const entries = (pictures: readonly Picture[]) =>
    pictures.map(({ name, subject, label, sha256 }) => ({
      path: name,
      subject,
      label: data.classes[label],
      sha256,
    }));
  const content = {
    ...Object.fromEntries(sides.map((side) => [side, entries(split[side])])),
    skipped: data.skipped,
  };
  await writeFileAtomic(join(run, 'split.json'), `${JSON.stringify(content, null, 1)}\n`);
}

type RunSplit = SplitResult & { skipped: readonly Skipped[] };

/**
 * The split a run was made with, on the pictures of `data` as they are now.
 * @throws DataError when pictures of the split are gone or changed their class.
 */
export async function readSplit(run: string, data: DataSet): Promise<RunSplit> {
  const { split, changed } = await matchSplit(run, data, () => true);
  if (changed.length === 0) return split;
  const are = changed.length === 1 ? 'is' : 'are';
  throw new DataError(
    `${plural(changed.length, 'picture')} of this run ${are} gone or changed class, first ${changed[0]}.`,
    {
      remedy: `Bring ${data.folder} back to what it was, or train anew.`,
    },
  );
}

/**
 * The split of a run on `data`, whose pictures have their hashes, when those are the run's own, moved or copied; nothing
 * when one is missing, of another class or of other bytes.
 */
export async function findSplit(run: string, data: DataSet): Promise<RunSplit | undefined> {
  const sameBytes = ({ sha256 }: Picture, hash: string | undefined) => hash === undefined || sha256 === hash;
  const { split, changed } = await matchSplit(run, data, sameBytes);
  return changed.length === 0 ? split : undefined;
}

async function matchSplit(
  run: string,
  data: DataSet,
  isSame: (picture: Picture, sha256: string | undefined) => boolean,
): Promise<{ split: RunSplit; changed: string[] }> {
  const path = join(run, 'split.json');
  let content: z.infer<typeof schema>;
  try {
    content = schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    throw new DataError(`${path} cannot be read: ${fileErrorReason(error)}.`, { cause: error });
  }
  const hashes = new Map(sides.flatMap((side) => content[side].map(({ path, sha256 }) => [path, sha256])));
  const byName = new Map(
    data.pictures.map((picture) => {
      const sha256 = picture.sha256 ?? hashes.get(picture.name);
      return [picture.name, sha256 ? { ...picture, sha256 } : picture];
    }),
  );
  const changed: string[] = [];
  const find = (side: (typeof sides)[number]) =>
    content[side].flatMap(({ path: name, label, sha256 }) => {
      const picture = byName.get(name);
      if (picture && data.classes[picture.label] === label && isSame(picture, sha256)) return [picture];
      changed.push(name);
      return [];
    });
  const [train, val, test, leftOut] = sides.map(find);
  return { split: { train, val, test, leftOut, skipped: content.skipped }, changed };
}
