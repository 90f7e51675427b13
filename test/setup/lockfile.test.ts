import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

interface Locked {
  version?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

const file = join(import.meta.dirname, '..', '..', 'package-lock.json');
const packages: Record<string, Locked> = JSON.parse(readFileSync(file, 'utf8')).packages;

// npm leaves packages out of the lockfile that a registry does not offer, such as binaries for other systems; npm ci then
// refuses the lockfile everywhere.
it('the lockfile names every dependency of every package, those of other platforms too', () => {
  const missing: string[] = [];
  for (const [path, entry] of Object.entries(packages)) {
    for (const name of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) {
      if (!resolves(path, name)) missing.push(`${name}, needed by ${path || 'kindergrad'}`);
    }
  }
  expect(missing).toEqual([]);
});

it('the lockfile names no registry host', () => {
  expect(readFileSync(file, 'utf8')).not.toContain('"resolved"');
});

/** As Node does: in the package's own node_modules, then in those above it. */
function resolves(path: string, name: string): boolean {
  const here = path ? `${path}/node_modules/${name}` : `node_modules/${name}`;
  if (packages[here]?.version) return true;
  const above = path.lastIndexOf('/node_modules/');
  if (path === '') return false;
  return resolves(above < 0 ? '' : path.slice(0, above), name);
}
