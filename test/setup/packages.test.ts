import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { packagesMissing } from '../../setup/packages.mjs';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'packages-'));
  mkdirSync(join(root, 'node_modules'));
});
afterEach(() => rmSync(root, { recursive: true }));

type Entries = Record<string, { version: string; optional?: boolean }>;
const lock = (packages: Entries) => writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages }));
const installed = (packages: Entries) =>
  writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify({ packages }));

it('is content when node_modules holds what the lockfile names, optional packages aside', () => {
  lock({
    '': { version: '1.0.0' },
    'node_modules/a': { version: '2.0.0' },
    'node_modules/b': { version: '3.0.0', optional: true },
  });
  installed({ 'node_modules/a': { version: '2.0.0' } });
  expect(packagesMissing(root)).toBeUndefined();
});

it('says what is missing or stale', () => {
  lock({ 'node_modules/a': { version: '2.0.0' }, 'node_modules/b': { version: '3.0.0', optional: true } });
  expect(packagesMissing(root)).toBe('node_modules is not there yet');
  installed({ 'node_modules/a': { version: '1.9.0' } });
  expect(packagesMissing(root)).toBe('node_modules/a is not at 2.0.0');
  installed({ 'node_modules/a': { version: '2.0.0' }, 'node_modules/b': { version: '2.0.0' } });
  expect(packagesMissing(root)).toBe('node_modules/b is not at 3.0.0');
});

it('takes a half-written lockfile of an interrupted install for none', () => {
  lock({ 'node_modules/a': { version: '2.0.0' } });
  writeFileSync(join(root, 'node_modules', '.package-lock.json'), '{"packages": {"node_mod');
  expect(packagesMissing(root)).toBe('node_modules is not there yet');
});
