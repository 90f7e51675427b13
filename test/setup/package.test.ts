import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
let folder = '';

// The tarball, unpacked beside the checkout's own dependencies, so that no registry is needed.
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'package-'));
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root, stdio: 'ignore' });
  execFileSync('tar', ['xzf', 'kindergrad-0.1.0.tgz'], { cwd: folder });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
});

afterAll(() => rmSync(folder, { recursive: true }));

it('carries compiled code, kernels and documents, and no source or test', () => {
  const has = (path: string) => existsSync(join(folder, 'package', path));
  expect(
    ['dist/engine/index.d.ts', 'dist/kernels/matmul/matmul-naive.wgsl', 'README.md', 'LICENSE'].filter((f) => !has(f)),
  ).toEqual([]);
  expect(['engine', 'test', 'pipeline', 'dist/test'].filter(has)).toEqual([]);
});

it('runs its command line and a kernel from dist/', () => {
  const bin = join(folder, 'package', 'bin', 'kindergrad.mjs');
  const run = (...args: string[]) => spawnSync(process.execPath, [bin, ...args], { cwd: folder, encoding: 'utf8' });
  expect(run('--help').stdout).toMatch(/^Usage: kindergrad/);
  expect(JSON.parse(run('doctor', '--json').stdout)).toMatchObject({
    canTrain: true,
    findings: expect.arrayContaining([expect.objectContaining({ subject: 'kernel', state: 'fine' })]),
  });
});
