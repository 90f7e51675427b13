import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

it('the code in README.md runs and prints what it says', () => {
  const [, code = ''] = text('README.md').match(/```ts\n([\s\S]*?)```/) ?? [];
  const said = [...code.matchAll(/\/\/ (.*)/g)].map(([, comment]) => comment).join('\n');
  const file = join(root, 'test', 'setup', `readme-${process.pid}.ts`);
  writeFileSync(file, code.replace('kindergrad/node', '../../engine/node.ts'));
  try {
    const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', file], { cwd: root, encoding: 'utf8' });
    expect(stdout.trim()).toBe(said);
  } finally {
    rmSync(file);
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
