/** pictures.json: which pictures a CycleGAN run learns from, so that a resumed one learns from the same. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../engine/errors.ts';
import type { Picture } from '../dataset/read.ts';
import { fileErrorReason, writeFileAtomic } from '../files.ts';
import { plural } from '../plural.ts';

/** The pictures of both classes, as they were opened: with the hash of their bytes. */
export interface Lists {
  readonly from: readonly Picture[];
  readonly to: readonly Picture[];
}

const entries = z.array(z.object({ path: z.string(), sha256: z.string() }));
const schema = z.object({ from: entries, to: entries });

const fileOf = (run: string): string => join(run, 'pictures.json');

export async function writeLearnt(run: string, lists: Lists): Promise<void> {
  const noted = (pictures: readonly Picture[]) => pictures.map(({ name: path, sha256 }) => ({ path, sha256 }));
  const content = { from: noted(lists.from), to: noted(lists.to) };
  await writeFileAtomic(fileOf(run), `${JSON.stringify(content, null, 1)}\n`);
}

/**
 * The pictures that the run began with, among those that are there now; later ones are not learnt from, which is said.
 * @throws DataError when pictures of the run are gone, held out since, or have other bytes.
 */
export async function readLearnt(run: string, now: Lists, say: (line: string) => void): Promise<Lists> {
  if (!existsSync(fileOf(run))) {
    say(`  ${run} was begun by an earlier version, which did not note its pictures: it goes on with those of now.`);
    await writeLearnt(run, now);
    return now;
  }
  let content: z.infer<typeof schema>;
  try {
    content = schema.parse(JSON.parse(await readFile(fileOf(run), 'utf8')));
  } catch (error) {
    throw new DataError(`${fileOf(run)} cannot be read: ${fileErrorReason(error)}.`, {
      remedy: 'Delete it to go on with the pictures of now, or begin anew with another --out.',
      cause: error,
    });
  }
  const changed: string[] = [];
  const find = (noted: z.infer<typeof entries>, pictures: readonly Picture[]) => {
    const byName = new Map(pictures.map((picture) => [picture.name, picture]));
    return noted.flatMap(({ path, sha256 }) => {
      const picture = byName.get(path);
      if (picture?.sha256 === sha256) return [picture];
      changed.push(path);
      return [];
    });
  };
  const [from, to] = [find(content.from, now.from), find(content.to, now.to)];
  if (changed.length > 0) {
    const are = changed.length === 1 ? 'is' : 'are';
    throw new DataError(
      `${plural(changed.length, 'picture')} that ${run} learns from ${are} gone, damaged, held out or changed, first ${changed[0]}.`,
      { remedy: 'Bring the data set back to what it was, or begin anew with another --out.' },
    );
  }
  const added = now.from.length + now.to.length - from.length - to.length;
  if (added > 0) say(`  ${run} goes on without ${plural(added, 'picture')} added since. Another --out begins anew.`);
  return { from, to };
}
