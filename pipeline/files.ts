/** Writing files so that a crash, a kill or a full disk never leaves a half-written one under its real name. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DataError } from '../engine/errors.ts';

/** What an operating-system error means to the person in front of the screen. */
const reasons: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'your disk quota is used up',
  EROFS: 'the disk is read-only',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  ENOTDIR: 'a part of the path is a file, not a folder',
  ENOENT: 'it does not exist',
  EEXIST: 'a file of that name is in the way',
  ENAMETOOLONG: 'the name is too long',
  EISDIR: 'it is a folder, not a file',
};

/** SHA-256 of a file's bytes, in hexadecimal; a video is read in pieces. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** A short reason for a file-system error, without the stack and the system call. */
export function fileErrorReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  return (code && reasons[code]) || error.message;
}

/**
 * Writes `path` in one piece: into a temporary file beside it, flushed to the disk, then renamed over the old one. When
 * anything fails, the file that was there before is untouched and the temporary one is removed.
 * @throws DataError naming the file and the reason.
 */
export async function writeFileAtomic(
  path: string,
  contents: Uint8Array | string,
  remedy = 'Free some space or choose another folder, then run the same command again.',
): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(contents);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new DataError(`${path} cannot be written: ${fileErrorReason(error)}. What was there before is unchanged.`, {
      remedy,
      cause: error,
    });
  }
}

/**
 * The lines of a text of one JSON object a line, without the byte order mark that some editors write. What follows the
 * last newline is a line when it is a whole object, since people and other tools leave that newline out; else it is what
 * a kill left of one, and dropped.
 */
export function jsonLines(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  if (!isWhole(lines.at(-1) ?? '')) lines.pop();
  return lines;
}

function isWhole(line: string): boolean {
  try {
    return typeof JSON.parse(line.replace(/^\uFEFF/, '')) === 'object'; // no part of an object is JSON, but part of a number is
  } catch {
    return false;
  }
}

/**
 * Adds objects to a file of one JSON object a line, flushed to the disk, after removing the torn line that a kill may have
 * left at its end. When it fails, with the system's error, what was there before stays.
 */
export async function appendLines(path: string, values: readonly unknown[]): Promise<void> {
  const file = await open(path, 'a+');
  try {
    const { size } = await file.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await file.read(last, 0, 1, size - 1);
    const bytes = size > 0 && last.toString() !== '\n' ? await readFile(path) : Buffer.alloc(0);
    const start = bytes.lastIndexOf('\n') + 1;
    const unended = isWhole(bytes.subarray(start).toString());
    const whole = bytes.length > 0 && !unended ? start : size;
    if (whole < size) await file.truncate(whole);
    try {
      await file.writeFile((unended ? '\n' : '') + values.map((value) => `${JSON.stringify(value)}\n`).join(''));
      await file.datasync();
    } catch (error) {
      await file.truncate(whole).catch(() => undefined);
      throw error;
    }
  } finally {
    await file.close();
  }
}

/**
 * The objects of such a file, without a last line torn by a kill; none when there is no file.
 * @throws DataError naming the line that is not JSON.
 */
export async function readLines(path: string): Promise<unknown[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new DataError(`${path} cannot be read: ${fileErrorReason(error)}.`, { cause: error });
  });
  return jsonLines(text).map((line, index) => {
    try {
      return JSON.parse(line) as unknown;
    } catch (error) {
      throw new DataError(
        `${path} line ${index + 1} is not JSON (${error instanceof Error ? error.message : error}).`,
        {
          remedy: 'Repair or delete that line.',
        },
      );
    }
  });
}

/** Makes a rename durable. Some systems cannot open a folder; there the rename alone has to do. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  if (!folder) return;
  await folder.sync().catch(() => undefined);
  await folder.close();
}
