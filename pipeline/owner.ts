/**
 * One process at a time owns a folder: one of answers, or one in which classes are balanced. SQLite in WebAssembly has no
 * file locks of the operating system, and Node has none at all; a lock of one's own stays behind after a kill. This file
 * decides who is alive, so that a killed process is taken over at once and a running one never.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../engine/errors.ts';

const ownerSchema = z.object({
  pid: z.int(),
  /** When the process began, as the system counts it; tells a process from a later one with the same number. */
  began: z.string(),
  host: z.string(),
  /** Where the page is served, and the coordinator's token for it; absent while no page is served. */
  url: z.string().optional(),
  token: z.string().optional(),
});

export type Owner = z.infer<typeof ownerSchema>;

const ownerFile = (folder: string) => join(folder, 'owner.json');

/** The process that owns the folder now; undefined when there is none or it is dead. */
export function liveOwner(folder: string): Owner | undefined {
  const owner = readOwner(ownerFile(folder));
  return owner && isAlive(owner) ? owner : undefined;
}

/**
 * Makes this process the owner.
 * @throws DataError when another living process is.
 */
export function takeOwnership(folder: string): void {
  const file = ownerFile(folder);
  const mine: Owner = { pid: process.pid, began: processBegan(process.pid), host: hostname() };
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      writeFileSync(file, JSON.stringify(mine), { flag: 'wx', mode: 0o600 });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const before = readOwner(file);
    if (before && isAlive(before)) throw alreadyOwned(folder, before);
    removeDead(file, before);
  }
  throw new DataError(`${file} cannot be taken over.`, {
    remedy: 'Delete that file if no other kindergrad is running.',
  });
}

/** Says where the page of this process is served. */
export function publishOwner(folder: string, url: string, token: string): void {
  const mine: Owner = { pid: process.pid, began: processBegan(process.pid), host: hostname(), url, token };
  const temporary = `${ownerFile(folder)}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(mine), { mode: 0o600 });
  renameSync(temporary, ownerFile(folder));
}

export function giveUpOwnership(folder: string): void {
  const owner = readOwner(ownerFile(folder));
  if (owner?.pid === process.pid && owner.host === hostname()) rmSync(ownerFile(folder), { force: true });
}

function readOwner(file: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined; // none, or torn by a kill: its writer is gone either way
  }
}

/** Moves the dead owner's file aside, and puts it back if it turns out to be that of a faster taker-over. */
function removeDead(file: string, dead: Owner | undefined): void {
  const aside = `${file}.dead-${process.pid}`;
  try {
    renameSync(file, aside);
    const moved = readOwner(aside);
    if (moved && JSON.stringify(moved) !== JSON.stringify(dead)) linkSync(aside, file);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true; // cannot be looked at from here: the message says what to do
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return processBegan(owner.pid) === owner.began;
}

/** The start time of a process where the system tells (Linux), else nothing: there its number alone has to do. */
function processBegan(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function alreadyOwned(folder: string, owner: Owner): DataError {
  const where = owner.host === hostname() ? `process ${owner.pid}` : `process ${owner.pid} on ${owner.host}`;
  return new DataError(`${folder} is in use by ${where}${owner.url ? `, at ${owner.url}` : ''}.`, {
    remedy:
      owner.host === hostname()
        ? 'Use that page, or stop that process (Ctrl-C) first.'
        : `If that machine is off, delete ${ownerFile(folder)}.`,
  });
}
