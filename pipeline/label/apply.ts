/** `kindergrad aggregate`: from the answers to the manifest, the second round and the report. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { DataError } from '../../engine/errors.ts';
import { writeFileAtomic } from '../files.ts';
import { type ManifestRow, manifestName, readManifest, writeManifest } from '../manifest.ts';
import type { AggregatedPicture } from './aggregate.ts';
import { type LabelHistory, openHistory, presentPictures } from './history.ts';
import { readPicture } from './pictures.ts';
import { renderReport } from './report.ts';
import { errorLabel } from './settings.ts';
import { type Summary, summarise } from './summary.ts';

export interface AggregateRun {
  /** The data set. */
  folder: string;
  /** Where the answers are kept. */
  answers: string;
  /** Where manifest.jsonl, agreement.html and agreement.json go; usually the data set itself. */
  out: string;
  minVotes?: number | undefined;
  /** Names of raters whose answers are left out. */
  exclude?: readonly string[] | undefined;
  replicates: number;
  seed: number;
  /** Put tied pictures into the second round. */
  secondRound: boolean;
  onProgress?: ((share: number) => void) | undefined;
}

export interface AggregateOutcome {
  summary: Summary;
  /** Pictures that this run put into the second round. */
  opened: number;
  /** What was written. */
  files: { manifest: string; report: string; json: string };
}

/** @throws DataError when there are no answers, or a rater to leave out is unknown. */
export async function applyAggregation(run: AggregateRun): Promise<AggregateOutcome> {
  const rows = await readManifest(run.folder);
  const { history: all, openSecondRound } = await openHistory(run.answers);
  const history = await presentPictures(all, run.folder);
  const excluded = excludedRaters(history, run.exclude ?? []);
  const subjects = new Map<string, string>();
  for (const { path, subject } of rows ?? []) if (path !== null && subject !== undefined) subjects.set(path, subject);
  const { minVotes, replicates, seed, onProgress } = run;
  const summary = await summarise(history, { minVotes, excluded, replicates, seed, subjects, onProgress });
  const tied = summary.pictures.filter(({ status }) => status === 'second round').map(({ id }) => id);
  const opened = run.secondRound ? await openSecondRound(tied) : 0;
  const files = {
    manifest: join(run.out, manifestName),
    report: join(run.out, 'agreement.html'),
    json: join(run.out, 'agreement.json'),
  };
  await writeManifest(run.out, labelled(rows ?? [], summary));
  const { pictures: _, ...figures } = summary;
  await writeFileAtomic(files.json, `${JSON.stringify(figures, null, 2)}\n`);
  await writeFileAtomic(files.report, await reportFile(run.folder, summary));
  return { summary, opened, files };
}

function excludedRaters(history: LabelHistory, names: readonly string[]): Set<number> {
  return new Set(
    names.map((name) => {
      const rater = history.raters.find((known) => known.name.toLowerCase() === name.trim().toLowerCase());
      if (rater) return rater.id;
      throw new DataError(`There is no rater "${name}".`, {
        remedy: `Known are ${history.raters.map((known) => known.name).join(', ') || 'none'}.`,
      });
    }),
  );
}

/**
 * The manifest with `votes` (eq. 1 times the number of votes; training takes soft targets from it) and `label` (eq. 2).
 * Pictures without a majority lose their label, so that training leaves them out; pictures nobody voted on keep theirs.
 */
export function labelled(rows: readonly ManifestRow[], summary: Pick<Summary, 'labels' | 'pictures'>): ManifestRow[] {
  const byPath = new Map(summary.pictures.map((picture) => [picture.path, picture]));
  const known = rows.map((row) => {
    const picture = row.path === null ? undefined : byPath.get(row.path);
    return picture ? withVotes(row, picture, summary.labels) : row;
  });
  const listed = new Set(rows.map(({ path }) => path));
  const unlisted = [...byPath.values()].filter(({ path }) => !listed.has(path));
  const added = unlisted.map((picture) => withVotes({ path: picture.path }, picture, summary.labels));
  return [...known, ...added];
}

function withVotes(row: ManifestRow, picture: AggregatedPicture, labels: readonly string[]): ManifestRow {
  if (picture.votes.every((n) => n === 0)) return row;
  const { label: _, votes: __, ...rest } = row;
  const votes = Object.fromEntries(labels.map((label, k) => [label, picture.votes[k] ?? 0]));
  const label = picture.status === 'error' ? errorLabel : picture.label;
  return label === null ? { ...rest, votes } : { ...rest, label, votes };
}

/** A page that needs nothing beside it. */
async function reportFile(folder: string, summary: Summary): Promise<string> {
  const thumbnails = new Map<number, string>();
  for (const { id, path } of summary.disputed) thumbnails.set(id, await thumbnail(folder, path));
  const body = renderReport(summary, ({ id }) => `src="${thumbnails.get(id) ?? ''}"`);
  const style = (path: string) => readFile(fileURLToPath(new URL(path, import.meta.url)), 'utf8');
  const styles = `${await style('../studio/static/studio.css')}\n${await style('./page/results.css')}`;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>Agreement of the raters</title>
<style>
${styles}
</style></head>
<body><main class="page results"><h1>Agreement of the raters</h1>
${body}
</main></body>
</html>
`;
}

/** Small enough that a page of them stays light; a picture that is gone leaves its alternative text. */
async function thumbnail(folder: string, path: string): Promise<string> {
  try {
    const { bytes } = await readPicture(folder, path);
    const small = await sharp(bytes).rotate().resize(320, 320, { fit: 'inside' }).webp({ quality: 80 }).toBuffer();
    return `data:image/webp;base64,${small.toString('base64')}`;
  } catch (error) {
    if (error instanceof DataError) return '';
    throw error;
  }
}
