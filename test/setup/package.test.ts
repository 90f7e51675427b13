import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as engine from '../../engine/node.ts';
import { train } from '../../examples/browser/train.mjs';
import { expectClose } from '../expect-close.ts';
import { describeInBrowser, newPage, noComplaints } from '../pipeline/label/browser.ts';

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

it('depends on what its code names, and on nothing that only the checkout needs', () => {
  const dist = join(folder, 'package', 'dist');
  const code = readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.m?js$/.test(name))
    .map((name) => readFileSync(join(dist, name), 'utf8'))
    .join('\n');
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const declared = Object.keys({ ...dependencies, ...optionalDependencies });
  expect(declared.filter((name) => !new RegExp(`['"]${name}['"/]`).test(code))).toEqual([]);
  const imported = [...code.matchAll(/(?:\bfrom|\bimport\()\s*'([^'.][^']*)'/g)].map(([, name = '']) => name);
  const packages = imported
    .filter((name) => !name.startsWith('node:'))
    .map((name) => name.match(/^(@[^/]+\/)?[^/]+/)?.[0] ?? '');
  expect([...new Set(packages)].filter((name) => !declared.includes(name))).toEqual([]);
});

it('type-checks in the project of a user, declarations and all', () => {
  const consumer = join(folder, 'consumer');
  mkdirSync(join(consumer, 'node_modules'), { recursive: true });
  symlinkSync(join(folder, 'package'), join(consumer, 'node_modules', 'kindergrad'));
  const [, readme = ''] = readFileSync(join(root, 'README.md'), 'utf8').match(/```ts\n([\s\S]*?)```/) ?? [];
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(consumer, 'readme.ts'), readme);
  writeFileSync(
    join(consumer, 'more.ts'),
    `import * as core from 'kindergrad';
import { createModel } from 'kindergrad/models';
const model: core.Module = createModel('so-dlse', { width: 0.25, imageSize: 48 });
const step = core.program(() => model.forward(core.zeros([1, 48, 48, 3])));
export const profiled: Promise<readonly core.ProfileEntry[]> = core.currentDevice().profile(() => step.run());
`,
  );
  // what a library on top of this one exports again, with declarations of its own, must be nameable from the entry points
  const again = Object.keys(engine).map((name) => `export const own_${name} = node.${name};`);
  writeFileSync(join(consumer, 'again.ts'), ["import * as node from 'kindergrad/node';", ...again].join('\n'));
  const compilerOptions = {
    strict: true,
    module: 'nodenext',
    target: 'es2023',
    types: [],
    skipLibCheck: false,
    declaration: true,
    noEmit: true,
  };
  writeFileSync(join(consumer, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', consumer], { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
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

// Chromium's own software adapter: four lanes, another compiler, another family of kernels than lavapipe's.
const webgpu = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

describeInBrowser(
  'in a browser',
  () => {
    it('trains a covariance-pooling classifier from dist/ to the losses that Node has', async () => {
      const site = join(folder, 'package');
      cpSync(join(root, 'examples'), join(site, 'examples'), { recursive: true });
      const app = new Hono().use('*', serveStatic({ root: site }));
      const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
      try {
        const page = await newPage();
        await page.goto(
          `http://127.0.0.1:${(server.address() as AddressInfo).port}/examples/browser/index.html?steps=3`,
        );
        await page.waitForSelector('body[data-losses]', { state: 'attached', timeout: 100_000 });
        const found = JSON.parse((await page.getAttribute('body', 'data-losses')) ?? '[]') as number[];
        const device = await engine.openDevice();
        const { losses } = await train(engine, { steps: 3 }).finally(() => device.close());
        expectClose(found, losses, { rtol: 1e-4, atol: 1e-5, label: 'losses in the browser' });
        noComplaints();
      } finally {
        server.close();
      }
    });
  },
  webgpu,
);
