/** Answers and labels for other programs: CSV, JSON lines, a folder per class, Label Studio. */
import { copyFile, mkdir, readdir, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { ConfigError, DataError } from '../../engine/errors.ts';
import { subjectsOf } from '../dataset/subject.ts';
import { fileErrorReason, writeFileAtomic } from '../files.ts';
import { readManifest, writeManifest } from '../manifest.ts';
import { plural } from '../plural.ts';
import { type AggregateOptions, aggregate } from './aggregate.ts';
import { labelled } from './apply.ts';
import { type LabelHistory, presentPictures } from './history.ts';
import { labelStudioConfig, toLabelStudio } from './label-studio.ts';
import { standingVotes } from './votes.ts';

/** One standing answer, as CSV and JSON lines hold it and as `import-labels` reads it. */
export interface AnswerRow {
  path: string;
  rater: string;
  label: string;
  round: number;
  repeat: number;
  /** When, in UTC (ISO 8601). */
  at: string;
  /** Milliseconds the picture was in view. */
  elapsed: number | null;
}

export const answerColumns = ['path', 'rater', 'label', 'round', 'repeat', 'at', 'elapsed'] as const;

export function answerRows(history: LabelHistory): AnswerRow[] {
  const paths = new Map(history.pictures.map(({ id, path }) => [id, path]));
  const names = new Map(history.raters.map(({ id, name }) => [id, name]));
  return standingVotes(history).flatMap(({ picture, rater, label, round, repeat, at, elapsed }) => {
    const path = paths.get(picture);
    return path === undefined ? [] : [{ path, rater: names.get(rater) ?? '', label, round, repeat, at, elapsed }];
  });
}

export const exportFormats = ['csv', 'jsonl', 'folders', 'label-studio'] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportOptions extends AggregateOptions {
  /** The data set, for the pictures themselves and their manifest. */
  folder: string;
  format: ExportFormat;
  /** A file; for `folders`, a folder that does not exist yet or is empty. */
  out: string;
  /** For `folders`: symbolic links to the pictures instead of copies. */
  links?: boolean;
  onProgress?: (done: number, total: number) => void;
}

/** Writes the export; returns how many answers (or, for `folders`, pictures) it holds. */
export async function exportLabels(history: LabelHistory, options: ExportOptions): Promise<number> {
  const { format, out } = options;
  if (format === 'folders') return exportFolders(history, options);
  const rows = answerRows(history);
  if (format === 'csv') await writeFileAtomic(out, stringify(rows, { header: true, columns: [...answerColumns] }));
  if (format === 'jsonl') await writeFileAtomic(out, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  if (format === 'label-studio') {
    await writeFileAtomic(out, `${JSON.stringify(toLabelStudio(history, rows), null, 1)}\n`);
    await writeFileAtomic(`${out.replace(/\.json$/, '')}.config.xml`, labelStudioConfig(history.labels));
  }
  return rows.length;
}

/**
 * A folder per class with the settled pictures, and their manifest rows. Sub-folders become part of the file's name, with
 * `__` between, so that happy/001.jpg and sad/001.jpg can end up in one class.
 */
async function exportFolders(history: LabelHistory, options: ExportOptions): Promise<number> {
  const { folder, out, links = false, onProgress } = options;
  const existing = await readdir(out).catch(() => []);
  if (existing.length > 0) {
    throw new ConfigError(`${out} is not empty.`, {
      remedy: 'Name a folder that does not exist yet; it will be made.',
    });
  }
  const result = aggregate(await presentPictures(history, folder), options);
  const settled = result.pictures.filter(({ label }) => label !== null);
  if (settled.length === 0) {
    throw new DataError('No picture has a majority label yet.', {
      remedy: `Every picture needs ${plural(result.minVotes, 'vote')}; accept fewer with --min-votes.`,
    });
  }
  const rows = new Map(((await readManifest(folder)) ?? []).map((row) => [row.path, row]));
  const told = subjectsOf(
    settled.map(({ path }) => path),
    result.labels,
  );
  const manifest = [];
  for (const [index, picture] of settled.entries()) {
    const path = `${picture.label}/${picture.path.replaceAll('/', '__')}`;
    await place(join(folder, picture.path), join(out, path), links);
    const [row] = labelled([rows.get(picture.path) ?? { path: picture.path }], {
      labels: result.labels,
      pictures: [picture],
    });
    // Its new name no longer tells whose picture it is as its old path did.
    const subject = row?.subject ?? told(picture.path, picture.label ?? '').subject;
    if (row) manifest.push({ ...row, subject, path });
    onProgress?.(index + 1, settled.length);
  }
  await writeManifest(out, manifest);
  return settled.length;
}

async function place(from: string, to: string, link: boolean): Promise<void> {
  try {
    await mkdir(dirname(to), { recursive: true });
    if (link) await symlink(relative(resolve(dirname(to)), resolve(from)), to);
    else await copyFile(from, to);
  } catch (error) {
    throw new DataError(`${from} cannot be ${link ? 'linked' : 'copied'} to ${to}: ${fileErrorReason(error)}.`, {
      remedy: link ? 'Make copies instead: leave out --links.' : 'Free some space or choose another folder.',
      cause: error,
    });
  }
}
