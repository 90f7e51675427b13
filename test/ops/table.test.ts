import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ops } from '../../engine/ops/index.ts';
import type { Op } from '../../engine/ops/op.ts';

const folder = join(import.meta.dirname, '..', '..', 'engine', 'ops');

const isRecord = (value: unknown): value is Op<never> =>
  typeof value === 'object' && value !== null && 'forward' in value && 'outputShape' in value;

it('the table has every op record of engine/ops, under its own name', async () => {
  const defined: string[] = [];
  for (const file of readdirSync(folder)) {
    if (file === 'index.ts') continue;
    const module: Record<string, unknown> = await import(join(folder, file));
    defined.push(
      ...Object.values(module)
        .filter(isRecord)
        .map((op) => op.name),
    );
  }
  expect(
    Object.values<Op<never>>(ops)
      .map((op) => op.name)
      .sort(),
  ).toEqual(defined.sort());
  expect(Object.entries<Op<never>>(ops).filter(([key, op]) => key !== op.name)).toEqual([]);
});

it('an op without a backward says why', () => {
  const without = Object.values<Op<never>>(ops).filter((op) => !('backward' in op));
  expect(without.filter((op) => !('nondifferentiable' in op) || op.nondifferentiable.length < 10)).toEqual([]);
});
