import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DataError } from '../../engine/errors.ts';
import { fileErrorReason } from '../files.ts';
import type { Reason } from './reasons.ts';

export interface FoundFile {
  /** Where to open it. */
  readonly path: string;
  /** What the user calls it: relative to the folder that was asked for, with forward slashes. */
  readonly source: string;
  readonly bytes: number;
}

export interface FoundProblem {
  readonly source: string;
  readonly reason: Reason;
  readonly detail: string;
}

export interface Found {
  readonly files: FoundFile[];
  readonly problems: FoundProblem[];
}

/**
 * Every file under `root` (or `root` itself, when it is a file), in an order that is the same on every machine. Links
 * are followed; one that leads into a folder already visited is reported instead. `except` (the output folder) is left
 * out. Nothing is opened, so a pipe in the folder cannot block the run.
 * @throws DataError when `root` does not exist or may not be read.
 */
export async function walk(root: string, except?: string): Promise<Found> {
  const info = await stat(root).catch((error: unknown) => {
    throw new DataError(`${root} cannot be read: ${fileErrorReason(error)}.`, {
      remedy: 'Give the folder that holds the photographs and videos, or one of them.',
      cause: error,
    });
  });
  if (info.isFile()) return { files: [{ path: root, source: basename(root), bytes: info.size }], problems: [] };
  if (!info.isDirectory()) throw new DataError(`${root} is neither a file nor a folder.`);
  const found: Found = { files: [], problems: [] };
  const excluded = except && (await realpath(except).catch(() => undefined));
  const visited = new Set<string>([identity(info)]);
  if (excluded) visited.add(identity(await stat(excluded)));
  // A root inside the output folder, or the same folder, is still walked: the visited set only guards folders below it.
  await visit(root, '', visited, found, excluded || undefined);
  if (found.files.length === 0 && found.problems.some((problem) => problem.source === '.')) {
    throw new DataError(`${root} cannot be read: ${found.problems[0]?.detail}.`);
  }
  return found;
}

const identity = (info: Stats) => `${info.dev}:${info.ino}`;

async function visit(
  folder: string,
  prefix: string,
  visited: Set<string>,
  found: Found,
  except?: string,
): Promise<void> {
  let entries: Dirent<Buffer>[];
  try {
    // As bytes: a name that is not UTF-8 would otherwise come back altered and not be found again.
    entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
  } catch (error) {
    found.problems.push({ source: prefix || '.', reason: 'unreadable folder', detail: fileErrorReason(error) });
    return;
  }
  entries.sort((a, b) => Buffer.compare(a.name, b.name));
  for (const entry of entries) {
    const name = entry.name.toString('utf8');
    const source = prefix ? `${prefix}/${name}` : name;
    if (!Buffer.from(name, 'utf8').equals(entry.name)) {
      found.problems.push({ source, reason: 'unreadable name', detail: `bytes ${entry.name.toString('hex')}` });
    } else {
      await visitEntry(join(folder, name), source, visited, found, except);
    }
  }
}

async function visitEntry(path: string, source: string, visited: Set<string>, found: Found, except?: string) {
  const problem = (reason: Reason, detail: string) => found.problems.push({ source, reason, detail });
  let info: Stats;
  try {
    info = await stat(path);
  } catch (error) {
    const link = await lstat(path).then(
      (own) => own.isSymbolicLink(),
      () => false,
    );
    const code = (error as NodeJS.ErrnoException).code;
    if (link && code === 'ENOENT') problem('broken link', 'its target does not exist');
    else if (code === 'ELOOP') problem('link loop', 'the link points to itself');
    else problem('unreadable file', fileErrorReason(error));
    return;
  }
  if (info.isFile()) found.files.push({ path, source, bytes: info.size });
  else if (!info.isDirectory()) problem('not a file', 'neither a file nor a folder');
  else if (!visited.has(identity(info))) {
    visited.add(identity(info));
    await visit(path, source, visited, found, except);
  } else if (except === undefined || (await realpath(path)) !== except) {
    problem('link loop', 'leads to a folder that was already looked at');
  }
}
