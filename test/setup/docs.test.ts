import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import { verbs } from '../../pipeline/verbs/index.ts';

const root = join(import.meta.dirname, '..', '..');
const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.md'),
);
const pages = ['README.md', 'CONTRIBUTING.md', ...docs.map((name) => join('docs', name))];
const text = (page: string) => readFileSync(join(root, page), 'utf8');

it.each(pages)('%s: every link to a file leads somewhere', (page) => {
  const links = [...text(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)].map(([, link = '']) => link);
  expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
});

it('docs/index.md leads to every page', () => {
  const index = text(join('docs', 'index.md'));
  const missing = docs.filter((name) => name !== 'index.md' && !index.includes(`](${name})`));
  expect(missing).toEqual([]);
});

/** The programs on the pages, with what they say that they print. */
const programs = pages.flatMap((page) =>
  [...text(page).matchAll(/```ts\n([\s\S]*?)```/g)]
    .map(([, code = '']) => ({
      page,
      code,
      said: [...code.matchAll(/console\.log.*\/\/ (.*)/g)].map(([, line]) => line),
    }))
    .filter(({ said }) => said.length > 0),
);

it('programs are found on the pages that have them', () => {
  expect(programs.map(({ page }) => page)).toEqual(
    expect.arrayContaining(['README.md', join('docs', 'autograd.md'), join('docs', 'export.md')]),
  );
});

it.each(programs)('$page: its code runs and prints what it says', ({ code, said }) => {
  const folder = mkdtempSync(join(root, 'test', 'setup', 'page-'));
  const sources = { 'kindergrad/node': 'engine/node.ts', 'kindergrad/models': 'models/index.ts' };
  const here = code.replace(
    /kindergrad\/(?:node|models)/g,
    (name) => `../../../${sources[name as keyof typeof sources]}`,
  );
  writeFileSync(join(folder, 'page.ts'), here);
  try {
    const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', 'page.ts'], { cwd: folder, encoding: 'utf8' });
    expect(stdout.trim()).toBe(said.join('\n'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('every command that a page shows exists', () => {
  const program = new Command();
  for (const verb of verbs) verb(program);
  const known = new Set(program.commands.map((command) => command.name()));
  const shown = pages.flatMap((page) =>
    [...text(page).matchAll(/(?:npx |`)kindergrad ([a-z-]+)/g)].map(([, verb = '']) => ({
      page,
      verb,
    })),
  );
  expect(shown.filter(({ verb }) => !known.has(verb)).map(({ page, verb }) => `${verb} in ${page}`)).toEqual([]);
});

it('every option that a page shows with a command is one of it', () => {
  const program = new Command();
  for (const verb of verbs) verb(program);
  const known = new Map(program.commands.map((one) => [one.name(), new Set(one.options.map(({ long }) => long))]));
  const wrong = pages.flatMap((page) =>
    [...text(page).matchAll(/(?:npx |`|^)kindergrad ([a-z-]+)([^#`\n]*)/gm)].flatMap(([, verb = '', rest = '']) =>
      (rest.match(/(?<!\S)--[a-z][a-z-]*/g) ?? [])
        .filter((option) => !known.get(verb)?.has(option))
        .map((option) => `${verb} ${option} in ${page}`),
    ),
  );
  expect(wrong).toEqual([]);
});
