import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** `path` in `from` or in the nearest folder above it that has it. */
export function findUp(path: string, from: string): string | undefined {
  const here = join(from, path);
  if (existsSync(here)) return here;
  return dirname(from) === from ? undefined : findUp(path, dirname(from));
}

/** kindergrad's own version, from its package.json, in a checkout as in the published package. */
export function packageVersion(): string {
  const file = findUp('package.json', import.meta.dirname);
  return file ? JSON.parse(readFileSync(file, 'utf8')).version : 'unknown';
}
