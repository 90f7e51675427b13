/**
 * Puts chosen pictures into the data set: a manifest row for every candidate, kept or not, then the kept ones into the
 * class folder. A picture that stood there without its row would count as real, so the rows come first, and a note in the
 * run folder remembers until the end what is still to be copied.
 */
import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../engine/index.ts';
import type { DataSet } from '../dataset/read.ts';
import { fileErrorReason, writeFileAtomic } from '../files.ts';
import { type ManifestRow, readManifest, writeManifest } from '../manifest.ts';
import { type Candidate, candidateFile, readCandidate } from './candidates.ts';
import { discardedAs, isOwnRow } from './generate.ts';
import type { BalanceTask } from './plan.ts';
import type { Quality } from './quality.ts';
import type { Selection } from './select.ts';

const noteSchema = z.object({
  /** The data set, absolute. */
  folder: z.string(),
  copies: z.array(z.object({ file: z.string(), path: z.string() })),
});

const noteOf = (run: string): string => join(run, 'recording.json');

/** Where a kept candidate goes, relative to the data set. */
const pathOf = (to: string, { file }: Candidate): string => `${to}/${file}`;

/** @returns where the kept pictures lie, relative to the data set, in the order of `kept` */
export async function recordSelection(
  data: Pick<DataSet, 'folder'>,
  { to }: Pick<BalanceTask, 'to'>,
  run: string,
  { kept, discarded }: Selection,
): Promise<string[]> {
  for (const candidate of kept) await readCandidate(run, candidate); // before anything is written
  const before = (await readManifest(data.folder)) ?? [];
  const labelled = before.some((row) => row.label !== undefined);
  const rows: ManifestRow[] = kept.map((candidate) => ({
    path: pathOf(to, candidate),
    sha256: candidate.sha256,
    subject: candidate.subject,
    source: candidate.source,
    ...(labelled && { label: to }),
    generatedBy: run,
  }));
  for (const { candidate, reason } of discarded) {
    rows.push({
      path: null,
      discarded: `${discardedAs(to)}${reason}`,
      subject: candidate.subject,
      source: candidate.source,
      generatedBy: run,
    });
  }
  // What was said of the same pictures at an earlier choice no longer holds.
  const decided = new Set(rows.map(({ source }) => source));
  const overruled = before.filter((row) => isOwnRow(row, run, to) && decided.has(row.source));
  const stands = before.filter((row) => !overruled.includes(row));
  const copies = kept.map((candidate) => ({ file: candidate.file, path: pathOf(to, candidate) }));
  await writeFileAtomic(noteOf(run), `${JSON.stringify({ folder: resolve(data.folder), copies })}\n`);
  await writeManifest(data.folder, [...stands, ...rows]);
  await finishRecording(run);
  const here = new Set(copies.map(({ path }) => path));
  for (const { path } of overruled)
    if (path !== null && !here.has(path)) await rm(join(data.folder, path), { force: true });
  return copies.map(({ path }) => path);
}

/** Copies what a killed process had not copied yet into the class folder; nothing when all is there. */
export async function finishRecording(run: string): Promise<void> {
  const text = await readFile(noteOf(run), 'utf8').catch(() => undefined);
  if (text === undefined) return;
  const { folder, copies } = noteSchema.parse(JSON.parse(text));
  const listed = new Set((await readManifest(folder))?.map(({ path }) => path));
  // Killed before the manifest was written, nothing has been recorded: the choice is made again.
  for (const { file, path } of copies.filter((copy) => listed.has(copy.path))) {
    const bytes = await readFile(candidateFile(run, { file })).catch((error: unknown) => {
      throw new DataError(`${candidateFile(run, { file })} cannot be read: ${fileErrorReason(error)}.`, {
        remedy: `Delete ${noteOf(run)} to leave ${path} out.`,
      });
    });
    await writeFileAtomic(join(folder, path), bytes);
  }
  await rm(noteOf(run));
}

const qualityOf = (run: string): string => join(run, 'quality.json');

/** Keeps the distances of a run's pictures for its report. */
export const saveQuality = (run: string, quality: Quality): Promise<void> =>
  writeFileAtomic(qualityOf(run), `${JSON.stringify(quality, null, 2)}\n`);

/** The distances measured last; undefined where no classifier was given. */
export async function readQuality(run: string): Promise<Quality | undefined> {
  const text = await readFile(qualityOf(run), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Quality);
}

/** The files of all pictures that this run put into the class folder and that are still there. */
export async function keptFiles(data: DataSet, { to }: Pick<BalanceTask, 'to'>, run: string): Promise<string[]> {
  const rows = (await readManifest(data.folder)) ?? [];
  const own = new Set(rows.filter((row) => isOwnRow(row, run, to)).map(({ path }) => path));
  return data.pictures.filter(({ name }) => own.has(name)).map(({ file }) => file);
}
