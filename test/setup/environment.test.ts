import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'environment.md'), 'utf8');
const firstCells = [...page.matchAll(/^\| (`\w+`(?:, `\w+`)*) \|/gm)].map(([, cell = '']) => cell);
const documented = new Set(firstCells.flatMap((cell) => cell.replaceAll('`', '').split(', ')));

/** process.env.NAME, process.env['NAME'], environment.NAME, platform().env('NAME'), const { NAME } = process.env */
const read = /(?:process\.env\.|process\.env\[['"]|\benvironment\.(?!md\b)|\benv\(['"])([A-Za-z_][A-Za-z_0-9]*)/g;
const destructured = /\{([^{}]*)\}\s*=\s*(?:process\.env|environment)\b/g;

const folders = ['bin', 'setup', 'engine', 'kernels', 'models', 'pipeline', 'bench', 'test'];
const files = ['vitest.config.ts', ...folders.flatMap(sources)];
const used = new Map<string, string>();
for (const file of files) {
  if (file.startsWith(join('test', 'setup'))) continue; // samples and patterns
  const text = readFileSync(join(root, file), 'utf8');
  for (const [, name = ''] of text.matchAll(read)) used.set(name, file);
  for (const [, names = ''] of text.matchAll(destructured)) {
    for (const name of names.match(/[A-Z][A-Z_0-9]+/g) ?? []) used.set(name, file);
  }
}

function sources(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => /\.(ts|mjs|js)$/.test(name)).map((name) => join(folder, name));
}

it('every environment variable that is read stands in docs/environment.md', () => {
  expect(used.size).toBeGreaterThan(5);
  expect([...used].filter(([name]) => !documented.has(name)).map(([name, file]) => `${name} in ${file}`)).toEqual([]);
});

it('docs/environment.md names none that nothing reads', () => {
  expect([...documented].filter((name) => !used.has(name ?? ''))).toEqual([]);
});
