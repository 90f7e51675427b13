import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../engine/errors.ts';
import { fileErrorReason, writeFileAtomic } from '../files.ts';
import { appendManifest, type ManifestRow, manifestName, readManifest } from '../manifest.ts';
import { type Reason, transientReasons } from './reasons.ts';

const sourceSchema = z.looseObject({
  /** The file, relative to the folder that was prepared. */
  source: z.string(),
  sha256: z.string().optional(),
  bytes: z.number().optional(),
  kind: z.enum(['photo', 'video']).optional(),
  /** How many faces were kept, and how many photographs or frames were discarded for each reason. */
  kept: z.number(),
  discarded: z.record(z.string(), z.number()),
  /** What was wrong with a video that could be used in part. */
  damage: z.string().optional(),
});

/** One line of `sources.jsonl`: a file that is done. */
export type SourceRow = z.infer<typeof sourceSchema>;

/** How many of a file's pictures were kept, and how many discarded for each reason. */
export function tally(rows: readonly ManifestRow[]): Pick<SourceRow, 'kept' | 'discarded'> {
  const discarded: Record<string, number> = {};
  for (const row of rows) if (row.discarded) discarded[row.discarded] = (discarded[row.discarded] ?? 0) + 1;
  return { kept: rows.filter((row) => row.path !== null).length, discarded };
}

export const journalName = 'sources.jsonl';

/**
 * What is done, in two files that only grow while a run is going: `manifest.jsonl`, a line for every photograph and
 * frame, and `sources.jsonl`, a line for every file, written after all of the file's lines in the manifest. A kill
 * between the two leaves manifest lines without their file's line; the next run drops them and does that file again.
 */
export class Journal {
  private readonly folder: string;
  private readonly sources: Map<string, SourceRow>;
  private readonly rows: Map<string, ManifestRow[]>;
  /** Lines of the manifest that other stages put there, such as generated pictures. */
  private readonly foreign: readonly ManifestRow[];
  private readonly readOnly: boolean;
  private readonly firstByHash = new Map<string, string>();
  private appending: Promise<void> = Promise.resolve();

  private constructor(
    folder: string,
    sources: Map<string, SourceRow>,
    rows: Map<string, ManifestRow[]>,
    foreign: readonly ManifestRow[],
    readOnly: boolean,
  ) {
    this.folder = folder;
    this.sources = sources;
    this.rows = rows;
    this.foreign = foreign;
    this.readOnly = readOnly;
    for (const { source, sha256, discarded } of sources.values()) {
      if (sha256 && !discarded['duplicate file']) this.firstByHash.set(sha256, source);
    }
  }

  /** Opens the folder's journal, an empty one where there is none. With `readOnly` (a dry run) nothing is written. */
  static async open(folder: string, readOnly = false): Promise<Journal> {
    const all = await readSources(folder);
    const done = all.filter((row) => !Object.keys(row.discarded).some((key) => transientReasons.has(key as Reason)));
    const sources = new Map(done.map((row) => [row.source, row]));
    const rows = new Map<string, ManifestRow[]>(done.map((row) => [row.source, []]));
    const foreign: ManifestRow[] = [];
    for (const row of (await readManifest(folder)) ?? []) {
      if (row.source === undefined || row.generatedBy !== undefined) foreign.push(row);
      else rows.get(row.source)?.push(row);
    }
    const journal = new Journal(folder, sources, rows, foreign, readOnly);
    // Removes a torn last line, the lines of a file that was at hand when the last run was killed, and those of files
    // that are to be tried again.
    await journal.rewrite();
    return journal;
  }

  /** Whether exactly this content of this file was done by an earlier run. */
  isDone(source: string, sha256: string | undefined): boolean {
    const row = this.sources.get(source);
    return row !== undefined && row.sha256 === sha256;
  }

  /** The name of the file with this content that came first; `source` itself, when it is the first. */
  firstWith(sha256: string, source: string): string {
    const first = this.firstByHash.get(sha256);
    if (first !== undefined) return first;
    this.firstByHash.set(sha256, source);
    return source;
  }

  /** Records a finished file. The order of calls is the order in the files. */
  add(row: SourceRow, rows: readonly ManifestRow[]): Promise<void> {
    this.appending = this.appending.then(async () => {
      if (this.sources.has(row.source)) {
        // The file's content has changed since an earlier run: what was found then goes.
        this.sources.delete(row.source);
        this.rows.delete(row.source);
        await this.rewrite();
      }
      await this.append(row, rows);
      this.sources.set(row.source, row);
      this.rows.set(row.source, [...rows]);
    });
    return this.appending;
  }

  private async append(row: SourceRow, rows: readonly ManifestRow[]): Promise<void> {
    if (this.readOnly) return;
    try {
      await appendManifest(this.folder, rows);
      const file = await open(join(this.folder, journalName), 'a');
      try {
        await file.writeFile(`${JSON.stringify(row)}\n`);
        await file.datasync();
      } finally {
        await file.close();
      }
    } catch (error) {
      throw new DataError(`${this.folder} cannot be written: ${fileErrorReason(error)}.`, {
        remedy:
          'Everything finished so far is safe. Free some space, then run the same command again: it goes on from here.',
        cause: error,
      });
    }
  }

  allSources(): SourceRow[] {
    return [...this.sources.values()].sort(byName);
  }

  allRows(): ManifestRow[] {
    return [...[...this.rows.values()].flat().sort(byName), ...this.foreign];
  }

  rowsOf(source: string): readonly ManifestRow[] {
    return this.rows.get(source) ?? [];
  }

  /** Puts other rows in the place of a file's rows; written by the next rewrite. */
  replaceRows(source: string, rows: ManifestRow[]): void {
    const before = this.sources.get(source);
    if (before) this.sources.set(source, { ...before, ...tally(rows) });
    this.rows.set(source, rows);
  }

  /** Writes both files again, in the order of the names. Leaves alone what is so already. */
  async rewrite(): Promise<void> {
    if (this.readOnly) return;
    await writeIfChanged(join(this.folder, journalName), jsonLines(this.allSources()));
    await writeIfChanged(join(this.folder, manifestName), jsonLines(this.allRows()));
  }
}

/** Fields in one order, whoever wrote them, so that what is the same is the same text. */
function jsonLines(rows: readonly object[]): string {
  const rank = (key: string) => `${leading.includes(key) ? leading.indexOf(key) : 9}${key}`;
  const sorted = rows.map((row) => {
    const entries = Object.entries(row).sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1));
    return `${JSON.stringify(Object.fromEntries(entries))}\n`;
  });
  return sorted.join('');
}

const leading = ['path', 'source', 'discarded', 'detail'];

function byName(a: { source?: string; frame?: number }, b: { source?: string; frame?: number }): number {
  const [x, y] = [a.source ?? '', b.source ?? ''];
  if (x !== y) return x < y ? -1 : 1;
  return (a.frame ?? 0) - (b.frame ?? 0);
}

export async function writeIfChanged(path: string, text: string): Promise<void> {
  const now = await readFile(path, 'utf8').catch(() => undefined);
  if (now !== text) await writeFileAtomic(path, text);
}

/** @throws DataError naming a line that is not one of ours; a torn last line is left out. */
export async function readSources(folder: string): Promise<SourceRow[]> {
  const path = join(folder, journalName);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw new DataError(`${path} cannot be read: ${fileErrorReason(error)}.`, { cause: error });
  });
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line, i) => {
    try {
      return sourceSchema.parse(JSON.parse(line));
    } catch (error) {
      throw new DataError(`${path} line ${i + 1} is not a line of this file.`, {
        remedy: 'Delete that line; the file it spoke of is then done again.',
        cause: error,
      });
    }
  });
}
