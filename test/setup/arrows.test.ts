import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

/** Files that break the one-way arrows pipeline → models → engine → kernels, or pull Node into the browser's part. */
const violations: Record<string, string> = {
  'kernels/matmul/upward.ts': "import { x } from '../../engine/tensor.ts';\nconsole.log(x);\n",
  'kernels/types.ts': "import type { X } from '../engine/runtime/x.ts';\nexport type Y = X;\n",
  'kernels/reexport.ts': "export * from '../models/index.ts';\n",
  'kernels/builtin.ts': "import fs from 'node:fs';\nconsole.log(fs);\n",
  'kernels/unprefixed.ts': "import fs from 'fs';\nconsole.log(fs);\n",
  'kernels/global.ts': 'console.log(process.env.X);\n',
  'engine/upward.ts': "import { x } from '../models/index.ts';\nconsole.log(x);\n",
  'engine/runtime/upward.ts': "import type { X } from '../../pipeline/x.ts';\nexport type Y = X;\n",
  'engine/runtime/dynamic.ts': "export const x = await import('webgpu');\n",
  'engine/runtime/door.ts': "import '../node.ts';\n",
  'engine/builtin.ts': "import { readFile } from 'node:fs/promises';\nconsole.log(readFile);\n",
  'engine/node.ts': "import '../models/index.ts';\n",
  'engine/nn/global.ts': 'console.log(Buffer.from([]));\n',
  'models/runtime.ts': "import type { X } from '../engine/runtime/x.ts';\nexport type Y = X;\n",
  'models/op.ts': "import { x } from '../engine/ops/x.ts';\nconsole.log(x);\n",
  'models/kernel.ts': "import '../kernels/kernel.ts';\n",
  'models/pipeline.ts': "export { x } from '../pipeline/x.ts';\n",
  'pipeline/runtime.ts': "import type { X } from '../engine/runtime/x.ts';\nexport type Y = X;\n",
  'pipeline/verbs/kernel.ts': "import { x } from '../../kernels/x.ts';\nconsole.log(x);\n",
  'pipeline/test.ts': "export { x } from '../test/x.ts';\n",
};

/** The same folders doing what they may. */
const allowed: Record<string, string> = {
  'kernels/matmul/matmul.ts': "import { x } from '../kernel.ts';\nconsole.log(x);\n",
  'engine/ops/matmul.ts': "import { x } from '../../kernels/matmul/matmul.ts';\nconsole.log(x);\n",
  'models/model.ts': "import { x } from '../engine/index.ts';\nconsole.log(x);\n",
  'pipeline/train.ts': "import { x } from '../engine/node.ts';\nimport fs from 'node:fs';\nconsole.log(x, fs);\n",
  'test/all.ts': "import { x } from '../engine/runtime/x.ts';\nconsole.log(x);\n",
  'bench/all.ts': "import { x } from '../kernels/x.ts';\nconsole.log(x);\n",
};

let folder = '';
let complaints: Map<string, string>;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'arrows-'));
  cpSync(join(root, 'biome.json'), join(folder, 'biome.json'));
  for (const [path, text] of Object.entries({ ...violations, ...allowed })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const biome = join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const options = ['lint', '--vcs-enabled=false', '--reporter=github', '--max-diagnostics=none', '.'];
  const { stdout } = spawnSync(process.execPath, [biome, ...options], { cwd: folder, encoding: 'utf8' });
  const lines = stdout.matchAll(/^::error title=([^,]+),file=([^,]+),/gm);
  complaints = new Map([...lines].map(([, rule = '', file = '']) => [file.replace(`${folder}/`, ''), rule]));
});

afterAll(() => rmSync(folder, { recursive: true }));

it.each(Object.keys(violations))('the linter refuses %s', (path) => {
  expect(complaints.get(path)).toMatch(/noRestrictedImports|noRestrictedGlobals|useNodejsImportProtocol/);
});

it.each(Object.keys(allowed))('the linter lets %s be', (path) => {
  expect(complaints.get(path)).toBeUndefined();
});
