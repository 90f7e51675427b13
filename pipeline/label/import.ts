/** Answers given elsewhere become answers here. Importing the same file twice adds nothing the second time. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { DataError } from '../../engine/errors.ts';
import { complaint } from '../complaint.ts';
import { fileErrorReason } from '../files.ts';
import { Refusal } from '../studio/refusal.ts';
import type { AnswerRow } from './export.ts';
import { fromLabelStudio } from './label-studio.ts';
import { type Slot, slotKey } from './order.ts';
import type { LabelStore } from './store.ts';

const rowSchema = z.object({
  path: z.string().min(1),
  rater: z.string().min(1),
  label: z.string().min(1),
  round: z.coerce
    .number()
    .pipe(z.union([z.literal(1), z.literal(2)]))
    .default(1),
  repeat: z.coerce
    .number()
    .pipe(z.union([z.literal(0), z.literal(1)]))
    .default(0),
  at: z.string().default(''),
  elapsed: z
    .preprocess((value) => (value === '' ? null : value), z.coerce.number().int().nonnegative().nullable())
    .default(null),
});

/** Reads .csv, .jsonl or Label Studio's .json. @throws DataError naming the row at fault. */
export async function readAnswers(file: string): Promise<AnswerRow[]> {
  const read = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new DataError(`${file} cannot be read: ${fileErrorReason(error)}.`, { cause: error });
  });
  const text = read.replace(/^\uFEFF/, ''); // the byte order mark that programs on Windows write
  const extension = extname(file).toLowerCase();
  if (extension === '.json') return fromLabelStudio(text, file);
  if (extension === '.jsonl') {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return lines.map((line, index) => checkRow(() => JSON.parse(line), `${file} line ${index + 1}`));
  }
  if (extension === '.csv') {
    const rows = parseCsv(text, file);
    return rows.map((row, index) => checkRow(() => row, `${file} row ${index + 1}`));
  }
  throw new DataError(`${file} is of no kind that can be imported.`, {
    remedy: 'Give a .csv or .jsonl file with the columns path, rater, label, or a Label Studio export (.json).',
  });
}

function parseCsv(text: string, file: string): unknown[] {
  let rows: Record<string, string>[];
  try {
    rows = parse(text, { columns: true, skip_empty_lines: true });
  } catch (error) {
    throw new DataError(`${file} is not CSV: ${error instanceof Error ? error.message : error}.`, { cause: error });
  }
  const [first = {}] = rows;
  const missing = rows.length === 0 ? undefined : ['path', 'rater', 'label'].find((name) => !(name in first));
  if (missing === undefined) return rows;
  throw new DataError(`${file} has no column "${missing}"; its first line is: ${Object.keys(first).join(',')}`, {
    remedy: 'Columns are separated by commas; path, rater and label are needed, in any order.',
  });
}

function checkRow(read: () => unknown, where: string): AnswerRow {
  let value: unknown;
  try {
    value = read();
  } catch (error) {
    throw new DataError(`${where} is not JSON.`, { cause: error });
  }
  const result = rowSchema.safeParse(value);
  if (result.success) return result.data;
  throw new DataError(`${where}: ${complaint(result.error, value, 'row')}.`, {
    remedy: 'Every row needs path, rater and label.',
  });
}

export interface ImportOutcome {
  added: number;
  /** Rows imported before. */
  known: number;
  /** Rows for which the same rater had answered here already; the answer here stands. */
  answered: number;
}

/** Adds all rows or, when one is wrong, none. @throws DataError naming the first row that fits no picture, label or name. */
export function importAnswers(store: LabelStore, rows: readonly AnswerRow[]): ImportOutcome {
  const find = pictureFinder(store);
  const { labels } = store.settings;
  const seen = new Set<string>();
  const checked = rows.map((row, index) => {
    const where = `Row ${index + 1} (${row.path}, ${row.rater}, ${row.label})`;
    if (!labels.includes(row.label)) {
      throw new DataError(`${where}: "${row.label}" is not one of ${labels.join(', ')}.`, {
        remedy: 'Rename the label in the file, or set the classes first with `npx kindergrad label --classes`.',
      });
    }
    const name = raterName(store, row.rater, where);
    const slot: Slot = {
      picture: find(row.path, where),
      round: row.round === 2 ? 2 : 1,
      repeat: row.repeat === 1 ? 1 : 0,
    };
    const key = `${name.toLowerCase()}/${slotKey(slot)}`;
    if (seen.has(key)) {
      throw new DataError(`${where} is the second answer of that rater for that picture in this file.`, {
        remedy: 'Keep one of them.',
      });
    }
    seen.add(key);
    return { row, name, slot };
  });
  let known = 0;
  let answered = 0;
  const acts = checked.flatMap(({ row, name, slot }) => {
    const rater = store.addRater(name); // only now, so that a file with a row at fault leaves no rater behind
    const act = `import-${createHash('sha256')
      .update(JSON.stringify([row.rater, row.path, row.round, row.repeat, row.label, row.at]))
      .digest('hex')
      .slice(0, 32)}`;
    const at = Number.isNaN(Date.parse(row.at)) ? new Date().toISOString() : new Date(row.at).toISOString();
    if (store.hasAct(act)) known++;
    else if (store.sheet(rater).answers.has(slotKey(slot))) answered++;
    else return [{ ...slot, act, rater: rater.id, label: row.label, at, elapsed: row.elapsed }];
    return [];
  });
  return { added: store.importActs(acts), known, answered };
}

function raterName(store: LabelStore, name: string, where: string): string {
  try {
    return store.raterName(name);
  } catch (error) {
    if (error instanceof Refusal) throw new DataError(`${where}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Finds a picture by its path, else by its file name when only one picture has it. */
function pictureFinder(store: LabelStore): (path: string, where: string) => number {
  const byPath = new Map(store.pictures.map(({ id, path }) => [path, id]));
  const byName = new Map<string, number[]>();
  for (const { id, path } of store.pictures) byName.set(basename(path), [...(byName.get(basename(path)) ?? []), id]);
  return (path, where) => {
    const exact = byPath.get(path);
    if (exact !== undefined) return exact;
    const named = byName.get(basename(path)) ?? [];
    if (named.length === 1 && named[0] !== undefined) return named[0];
    throw new DataError(
      named.length === 0
        ? `${where}: there is no such picture.`
        : `${where}: ${named.length} pictures have that file name.`,
      { remedy: 'Paths are relative to the folder of the pictures, with forward slashes.' },
    );
  };
}
