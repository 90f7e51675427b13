/**
 * `manifest.jsonl`: one JSON object a line beside the class folders of a data set, one line for every file that was
 * looked at, kept or not. Every stage reads what the stages before it wrote and leaves unknown fields alone.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../engine/errors.ts';
import { complaint } from './complaint.ts';
import { appendLines, fileErrorReason, jsonLines, writeFileAtomic } from './files.ts';

export const manifestName = 'manifest.jsonl';

const relativePath = z
  .string()
  .min(1)
  .refine((path) => !path.startsWith('/') && !path.includes('\\') && !path.split('/').includes('..'), {
    message: 'must be relative to the data set, with forward slashes and without ".."',
  });

const rowSchema = z.looseObject({
  /** The picture, relative to the folder of the manifest, with forward slashes; null where none was kept. */
  path: relativePath.nullable(),
  /** Why nothing was kept, in a few words; only with `path: null`. */
  discarded: z.string().optional(),
  /** SHA-256 of the picture's bytes, 64 hexadecimal digits. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')
    .optional(),
  /** The person shown. Splits never share a subject. */
  subject: z.string().min(1).optional(),
  /** The photograph or video the picture was cut from, as the user named it. */
  source: z.string().optional(),
  /** SHA-256 of that file's bytes. */
  sourceSha256: z.string().optional(),
  /** Frame number in a video, from 0, and its time in seconds. */
  frame: z.int().nonnegative().optional(),
  timestamp: z.number().nonnegative().optional(),
  /** Face box [x, y, width, height] in pixels of the source after EXIF orientation and `rotation`. */
  box: z.tuple([z.number(), z.number(), z.number(), z.number()]).optional(),
  /** Degrees the source was turned clockwise to find the face upright. */
  rotation: z.union([z.literal(0), z.literal(90), z.literal(180), z.literal(270)]).optional(),
  /** The detector's confidence, 0 to 1. */
  confidence: z.number().min(0).max(1).optional(),
  /** The class; where missing, the name of the folder the picture lies in. */
  label: z.string().min(1).optional(),
  /** How many raters chose each label, for soft targets. */
  votes: z.record(z.string(), z.number().nonnegative()).optional(),
  /** A split fixed by whoever made the data set. */
  split: z.enum(['train', 'val', 'test']).optional(),
  /** The model that made this picture from a real one (a CycleGAN run); such pictures are kept out of tests. */
  generatedBy: z.string().min(1).optional(),
});

export type ManifestRow = z.infer<typeof rowSchema>;

/**
 * Reads the manifest of a data set; undefined when it has none. A last line that was cut off by a kill is left out.
 * @throws DataError naming the line and the field at fault.
 */
export async function readManifest(folder: string): Promise<ManifestRow[] | undefined> {
  const path = join(folder, manifestName);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new DataError(`${path} cannot be read: ${fileErrorReason(error)}.`, { cause: error });
  }
  const rows: ManifestRow[] = [];
  for (const [index, line] of jsonLines(text).entries()) {
    if (line.trim() !== '') rows.push(parseRow(line, `${path} line ${index + 1}`));
  }
  return rows;
}

function parseRow(line: string, where: string): ManifestRow {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new DataError(`${where} is not JSON (${error instanceof Error ? error.message : error}).`, {
      remedy: 'Repair or delete that line.',
    });
  }
  const result = rowSchema.safeParse(value);
  if (result.success) return result.data;
  throw new DataError(`${where}: ${complaint(result.error, value, 'row')}.`, {
    remedy: 'Repair or delete that line; docs/data.md lists the fields.',
  });
}

/** Replaces the manifest in one piece. */
export async function writeManifest(folder: string, rows: readonly ManifestRow[]): Promise<void> {
  await writeFileAtomic(join(folder, manifestName), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

/** Adds rows at the end, after removing the torn line that a kill may have left there. */
export function appendManifest(folder: string, rows: readonly ManifestRow[]): Promise<void> {
  return appendLines(join(folder, manifestName), rows);
}
