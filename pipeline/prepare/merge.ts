import { copyFile, link, mkdir, readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DataError } from '../../engine/errors.ts';
import { fileErrorReason } from '../files.ts';
import type { ManifestRow } from '../manifest.ts';
import { Journal, type SourceRow, tally, writeIfChanged } from './journal.ts';
import { dropNearDuplicates } from './near-duplicates.ts';
import { type PrepareOptions, prepareOptions, requireSameOptions } from './options.ts';
import { parseSettings, type Settings, settingsName } from './prepare.ts';
import { type Counts, count, writeContactSheets } from './report.ts';
import { type Shard, shardFolder } from './shard.ts';
import type { Compare } from './ssim.ts';
import { thumbnailPath } from './thumbnails.ts';

interface Part {
  readonly folder: string;
  /** Put before the names of its source files; empty for shards, which share one input. */
  readonly prefix: string;
  readonly settings: Settings;
  readonly options: PrepareOptions;
}

/**
 * Joins prepared folders into `output`, which then looks as if one run had made it. Without `folders`, the shards that
 * lie in `output` are joined, and all of them must be there and complete. Pictures are linked where the file system
 * can, else copied. Merging again does nothing new.
 * @throws DataError for a missing or unfinished shard, or folders prepared with different options.
 */
export async function merge(output: string, folders: readonly string[], compare: Compare): Promise<Counts> {
  const parts = await Promise.all((folders.length > 0 ? folders : await findShards(output)).map(readPart));
  const [first, ...others] = parts;
  if (!first) throw new DataError(`${output} holds no shards.`, { remedy: 'Name the folders to merge after it.' });
  for (const part of others) requireSameOptions(part.options, first.options, part.folder);
  requireAllShards(parts);
  requireDifferentNames(parts);

  await mkdir(output, { recursive: true });
  const journal = await Journal.open(output);
  const taken = new Map(journal.allRows().flatMap((row) => (row.path ? [[row.path, row.source] as const] : [])));
  for (const part of parts) await addPart(part, output, journal, taken);
  if (first.options.nearDuplicates) await dropNearDuplicates(output, journal, first.options.similarity, compare);
  await journal.rewrite();
  await writeContactSheets(output, journal.allRows());
  const settings = { complete: true, options: first.options };
  await writeIfChanged(join(output, settingsName), `${JSON.stringify(settings, undefined, 2)}\n`);
  return count(journal.allSources(), journal.allRows());
}

async function findShards(output: string): Promise<string[]> {
  const names = await readdir(output).catch((error: unknown) => {
    throw new DataError(`${output} cannot be read: ${fileErrorReason(error)}.`, { cause: error });
  });
  return names.filter((name) => /^shard-\d+-of-\d+$/.test(name)).map((name) => join(output, name));
}

async function readPart(folder: string): Promise<Part> {
  const path = join(folder, settingsName);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new DataError(`${folder} was not made by prepare: ${settingsName}: ${fileErrorReason(error)}.`, {
      cause: error,
    });
  });
  const settings = parseSettings(text, path);
  if (!settings.complete) {
    throw new DataError(`${folder} is not finished.`, {
      remedy: 'Run prepare for it again: it goes on where it stopped.',
    });
  }
  requireSameOptions(settings.options, prepareOptions.parse(settings.options), folder);
  const prefix = settings.shard ? '' : `${basename(resolve(folder))}/`;
  return { folder, prefix, settings, options: prepareOptions.parse(settings.options) };
}

function requireAllShards(parts: readonly Part[]): void {
  const shards = parts.flatMap(({ settings }) => settings.shard ?? []);
  const [first] = shards;
  if (!first) return;
  const present = new Set(shards.filter((shard) => shard.count === first.count).map((shard) => shard.index));
  const missing = Array.from({ length: first.count }, (_, index): Shard => ({ index, count: first.count })).filter(
    ({ index }) => !present.has(index),
  );
  if (missing.length === 0) return;
  throw new DataError(`Shards are missing: ${missing.map(shardFolder).join(', ')}.`, {
    remedy: 'Run prepare for them, then merge again.',
  });
}

/** Two phones both have an IMG_0001.jpg, so files are told apart by the folder they were merged from. */
function requireDifferentNames(parts: readonly Part[]): void {
  const prefixes = parts.map(({ prefix }) => prefix).filter(Boolean);
  const twice = prefixes.find((prefix, i) => prefixes.indexOf(prefix) !== i);
  if (twice) throw new DataError(`Two of the folders are called ${twice}`, { remedy: 'Rename one of them.' });
}

async function addPart(
  { folder, prefix }: Part,
  output: string,
  journal: Journal,
  taken: Map<string, string | undefined>,
): Promise<void> {
  const part = await Journal.open(folder, true);
  for (const found of part.allSources()) {
    const source = { ...found, source: prefix + found.source };
    if (journal.isDone(source.source, source.sha256)) continue;
    const rows = part.rowsOf(found.source).map((row) => ({ ...row, source: source.source }));
    const own = rows.map((row) => asDuplicate(row, taken));
    for (const row of own) {
      if (row.path) taken.set(row.path, row.source);
      await bring(row, folder, output);
    }
    const joined: SourceRow = { ...source, ...tally(own) };
    await journal.add(joined, own);
  }
}

/** A photograph that lies in two of the merged folders counts once. */
function asDuplicate(row: ManifestRow, taken: ReadonlyMap<string, string | undefined>): ManifestRow {
  if (row.path === null || !taken.has(row.path)) return row;
  const { sha256: _, ...rest } = row;
  return { ...rest, path: null, discarded: 'duplicate file', detail: `the same as ${taken.get(row.path)}` };
}

async function bring(row: ManifestRow, from: string, to: string): Promise<void> {
  if (row.path) return place(join(from, row.path), join(to, row.path));
  if (typeof row.sourceSha256 !== 'string') return;
  const path = thumbnailPath(row.sourceSha256, row.frame);
  await place(join(from, path), join(to, path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error; // most discarded files have no thumbnail
  });
}

async function place(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  try {
    await link(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code === 'ENOENT') throw error;
    await copyFile(from, to); // another disk, or a file system without links
  }
}
