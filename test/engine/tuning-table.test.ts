import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DefaultsFile, type Device, LANES_DEFAULTS, openDevice } from '../../engine/node.ts';
import { TuningDefaults } from '../../engine/runtime/defaults.ts';
import { Bench } from '../../engine/runtime/tuning.ts';
import { conv2dKernel } from '../../kernels/conv/conv2d.ts';
import { conv2dInputGradientKernel } from '../../kernels/conv/conv2d-input-gradient.ts';
import { conv2dWeightGradientKernel } from '../../kernels/conv/conv2d-weight-gradient.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { matmulKernel } from '../../kernels/matmul/matmul.ts';
import { agreed } from '../../pipeline/tune-defaults.ts';

let device: Device;
let file: DefaultsFile;
beforeAll(async () => {
  device = await openDevice();
  file = JSON.parse(await readFile(LANES_DEFAULTS, 'utf8')) as DefaultsFile;
});
afterAll(() => device.close());

const kernels = [
  matmulKernel,
  conv2dKernel,
  conv2dInputGradientKernel,
  conv2dWeightGradientKernel,
] as unknown as Kernel[];

function parse(key: string): { kernel: Kernel | undefined; params: Record<string, number> } {
  const [name, ...fields] = key.split(' ');
  const params = Object.fromEntries(fields.map((field) => field.split('=')).map(([n, value]) => [n, Number(value)]));
  return { kernel: kernels.find((k) => k.name === name), params };
}

describe('the committed table of kernel choices', () => {
  it('says where it is from and names tunable kernels, all their parameters and rungs that exist', () => {
    expect(file.about).toMatch(/kindergrad tune --write-defaults/);
    expect(file.adapter).toMatch(/llvmpipe/);
    expect(file.date).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(file.cpus.length).toBeGreaterThan(0);
    expect(Object.keys(file.choices).length).toBeGreaterThan(0);
    for (const [key, value] of Object.entries(file.choices)) {
      const { kernel, params } = parse(key);
      expect(Object.keys(params).sort(), key).toEqual(Object.keys(kernel?.params ?? {}).sort());
      expect(Object.values(params).every(Number.isFinite), key).toBe(true);
      expect(kernel?.tunable && kernel.variants.map(({ name }) => name), key).toContain(value.split(' ')[0]);
    }
  });

  it('is not stale: most entries are of the texts that kernels have now', async () => {
    if (device.traits.family !== 'lanes') {
      console.log('The table is of software Vulkan and is not read on this adapter.');
      return;
    }
    const defaults = new TuningDefaults(device.traits);
    const bench = new Bench(device);
    const stale: string[] = [];
    for (const [key, value] of Object.entries(file.choices)) {
      const { kernel, params } = parse(key);
      if (!kernel) continue;
      const { rungs, untuned } = device.tuner.rungs(kernel, params);
      if (!(await defaults.find(kernel, params, rungs, untuned, bench))) stale.push(`${key}: ${value}`);
    }
    const all = Object.keys(file.choices).length;
    if (stale.length > 0) {
      console.log(
        `${stale.length} of ${all} committed kernel choices are stale and without effect; \`npx kindergrad tune --write-defaults\` makes them anew:\n  ${stale.join('\n  ')}`,
      );
    }
    expect(stale.length).toBeLessThanOrEqual(all / 2);
  });

  it('keeps of two machines what both chose, with the figures of the second', () => {
    const first = {
      'matmul m=8': 'lanes rows=16 #11111111, 10 µs instead of 12',
      'matmul m=9': 'lanes rows=16 #11111111, 10 µs instead of 12',
      'matmul m=10': 'packed #11111111, 10 µs instead of 12',
    };
    const second = {
      'matmul m=8': 'lanes rows=16 #22222222, 30 µs instead of 36',
      'matmul m=9': 'lanes rows=8 #22222222, 30 µs instead of 36',
      'matmul m=11': 'packed #22222222, 30 µs instead of 36',
    };
    expect(agreed(first, second)).toEqual({ 'matmul m=8': second['matmul m=8'] });
  });
});
