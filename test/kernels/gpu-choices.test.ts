import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { classifier, gan, type Workload } from '../../bench/workloads.ts';
import { type Device, openDevice } from '../../engine/node.ts';
import type { KernelCall } from '../../engine/runtime/commands.ts';
import { Tuner } from '../../engine/runtime/tuner.ts';
import { Bench } from '../../engine/runtime/tuning.ts';
import { conv2dKernel } from '../../kernels/conv/conv2d.ts';
import { conv2dInputGradientKernel } from '../../kernels/conv/conv2d-input-gradient.ts';
import { conv2dWeightGradientKernel } from '../../kernels/conv/conv2d-weight-gradient.ts';
import type { DeviceTraits, Kernel } from '../../kernels/kernel.ts';
import { matmulKernel } from '../../kernels/matmul/matmul.ts';
import { eighKernel } from '../../kernels/spectral/eigh.ts';

/** Of a GPU of NVIDIA's, as Dawn reports it. */
const gpu: DeviceTraits = {
  ...{ family: 'tiled', software: false, subgroups: true, subgroupMinSize: 32, subgroupMaxSize: 32, shaderF16: true },
  ...{ winograd: true, textures: false, maxWorkgroupStorage: 49_152, maxInvocations: 1024, maxStorageBuffers: 16 },
};

let device: Device;
let tuner: Tuner;
beforeAll(async () => {
  device = await openDevice();
  tuner = new Tuner(gpu, new Bench(device));
});
afterAll(() => device.close());

type Numbers = Record<string, number>;

interface Call {
  readonly kernel: Kernel;
  readonly params: Numbers;
}

/** The calls of a step, each shape once. Nothing runs: some of these steps would take a software adapter minutes, or not fit it. */
async function callsOf(workload: Workload): Promise<Call[]> {
  const found = new Map<string, Call>();
  const limit = vi.spyOn(device.memory, 'checkLimit').mockReturnValue();
  const lower = vi.spyOn(device, 'lower').mockImplementation((commands) => {
    for (const { kernel, params } of commands.filter((c): c is KernelCall => c.kind === 'call')) {
      const numbers: Numbers = {};
      for (const [name, value] of Object.entries(params))
        numbers[name] = typeof value === 'number' ? value : Number.NaN;
      found.set(`${kernel.name} ${JSON.stringify(numbers)}`, { kernel, params: numbers });
    }
    return Promise.reject(new Error('recorded'));
  });
  const step = workload.prepare(device);
  await device.flush().catch(() => undefined);
  lower.mockClear();
  found.clear();
  await expect(step.program.prepare()).rejects.toThrow('recorded');
  lower.mockRestore();
  step.dispose();
  limit.mockRestore();
  return [...found.values()];
}

/** Invocations of the pass that has the most. */
async function invocations({ kernel, params }: Call): Promise<number> {
  const { variant, tile } = tuner.rungs(kernel, params).untuned;
  const counts = await Promise.all(
    variant.passes(params, tile, gpu).map(async ({ source, constants, workgroups }) => {
      const text = await device.shaders.text(source, constants);
      const size = /@workgroup_size\((\w+)\)/.exec(text)?.[1] ?? '';
      const lanes = Number(size) || Number(new RegExp(`const ${size}\\s*=\\s*(\\d+)u`).exec(text)?.[1]);
      expect(lanes, `${kernel.name}: workgroup`).toBeLessThanOrEqual(gpu.maxInvocations);
      for (const n of workgroups) expect(n).toBeLessThanOrEqual(65_535);
      return lanes * workgroups.reduce((a: number, b) => a * (b ?? 1), 1);
    }),
  );
  return Math.max(...counts);
}

/** Reads little where it is skipped, as nearly always, and is a product of n × n where not. */
const exempt = ['skip-matmul'];

describe.each([
  classifier('so-dlse', 'so-dlse', 128, { sePosition: 'after-every-conv' }),
  classifier('so-dlse, every ReEig decomposed', 'so-dlse', 128, { spectralPath: 'full' }),
  classifier('vfeso-dlse', 'vfeso-dlse', 64),
  gan(256, 64, 1),
])('what a GPU runs untuned in a step of $title', (workload) => {
  let calls: Call[];
  beforeAll(async () => {
    calls = await callsOf(workload);
  });

  it('is made for GPUs wherever there is something to do', () => {
    expect(calls.length).toBeGreaterThan(50);
    for (const { kernel, params } of calls) {
      const { variant } = tuner.rungs(kernel, params).untuned;
      const label = `${kernel.name}/${variant.name} ${JSON.stringify(params)}`;
      expect(variant.supports?.(params, gpu) ?? true, label).toBe(true);
      expect(variant.family ?? 'tiled', label).toBe('tiled');
      expect(variant.name, label).not.toMatch(/lanes|serial/);
      const { flops, bytes } = kernel.cost(params);
      if (variant.name === 'naive' && !exempt.includes(kernel.name)) {
        expect(Math.max(flops / 10, bytes), label).toBeLessThan(4e6);
      }
    }
  });

  it('has invocations enough for a large GPU: 256 for each multiprocessor, half as many where each has 64 sums', async () => {
    for (const call of calls) {
      if (call.kernel.cost(call.params).bytes < 1e7 || exempt.includes(call.kernel.name)) continue;
      const label = `${call.kernel.name} ${JSON.stringify(call.params)}`;
      const { name } = tuner.rungs(call.kernel, call.params).untuned.variant;
      const enough = 128 * (name.includes('tiled') ? 128 : 256);
      expect(await invocations(call), label).toBeGreaterThanOrEqual(enough);
    }
  });
});

describe('the untuned choice of a GPU', () => {
  const untuned = (kernel: unknown, params: Numbers) => tuner.rungs(kernel as Kernel, params).untuned;

  it('takes few rows in a tile of few, and splits k', () => {
    const p = { batch: 1, inner: 1, leftOuter: 0, leftInner: 0, rightOuter: 0, rightInner: 0, activation: 0, slope: 1 };
    for (const [m, n, k, transposeLeft, transposeRight] of [
      [32, 2000, 4096, 0, 0],
      [32, 4096, 2000, 0, 1],
      [4096, 2000, 32, 1, 0],
    ]) {
      const { variant, tile } = untuned(matmulKernel, { ...p, m, n, k, transposeLeft, transposeRight });
      expect(variant.name).toBe('tiled');
      const passes = variant.passes({ ...p, m, n, k, transposeLeft, transposeRight }, tile, gpu);
      if (m === 32) expect(tile.bm).toBe(32);
      expect(passes.length).toBe(m === 32 ? 2 : 1);
    }
  });

  it('splits k of a convolution of few pixels', () => {
    const p = { batch: 1, h: 32, w: 32, cin: 256, oh: 31, ow: 31, cout: 512, groups: 1, kh: 4, kw: 4 };
    const params = { ...p, strideY: 1, strideX: 1, paddingY: 1, paddingX: 1, dilationY: 1, dilationX: 1 };
    const { variant, tile } = untuned(conv2dKernel, { ...params, activation: 1, slope: 0 });
    expect(variant.name).toBe('tiled');
    const passes = variant.passes({ ...params, activation: 1, slope: 0 }, tile, gpu);
    const names = passes.map(({ source }) => (source.kind === 'file' ? source.url.href.split('/').at(-1) : source.key));
    expect(names.slice(-3)).toEqual([expect.stringContaining('conv/tiled'), 'sum-partials.wgsl', 'activation.wgsl']);
  });

  it('takes no tile of 64 columns for 3', () => {
    const p = { batch: 1, h: 256, w: 256, oh: 256, ow: 256, groups: 1, kh: 7, kw: 7, strideY: 1, strideX: 1 };
    const more = { paddingY: 3, paddingX: 3, dilationY: 1, dilationX: 1, activation: 0, slope: 1 };
    const [last, first] = [
      { ...p, ...more, cin: 64, cout: 3 },
      { ...p, ...more, cin: 3, cout: 64 },
    ];
    expect(untuned(conv2dKernel, last).variant.name).toBe('direct');
    expect(untuned(conv2dWeightGradientKernel, last).variant.name).toBe('direct');
    expect(untuned(conv2dInputGradientKernel, first).variant.name).toBe('direct');
    expect(untuned(conv2dKernel, first).variant.name).toBe('tiled');
  });

  it('takes Winograd for 3 × 3 with many channels, and not where it is forbidden', () => {
    const p = { batch: 32, h: 56, w: 56, cin: 128, oh: 56, ow: 56, cout: 128, groups: 1, kh: 3, kw: 3 };
    const params = { ...p, strideY: 1, strideX: 1, paddingY: 1, paddingX: 1, dilationY: 1, dilationX: 1 };
    const choice = (winograd: boolean) =>
      new Tuner({ ...gpu, winograd }, new Bench(device)).rungs(conv2dKernel as unknown as Kernel, {
        ...params,
        activation: 0,
        slope: 1,
      }).untuned.variant.name;
    expect(choice(true)).toBe('winograd-tiled');
    expect(choice(false)).toBe('tiled');
  });

  it('rounds to halves only where the call allows it, on matrix units where they are open', () => {
    const p = { batch: 32, h: 56, w: 56, cin: 128, oh: 56, ow: 56, cout: 128, groups: 1, kh: 3, kw: 3 };
    const conv = {
      ...p,
      strideY: 2,
      strideX: 2,
      paddingY: 1,
      paddingX: 1,
      dilationY: 1,
      dilationX: 1,
      activation: 0,
      slope: 1,
    };
    const sizes = { batch: 1, m: 1024, n: 1024, k: 1024, transposeLeft: 0, transposeRight: 0 };
    const strides = { inner: 1, leftOuter: 1, leftInner: 1, rightOuter: 1, rightInner: 1, activation: 0, slope: 1 };
    const matrix = { ...gpu, subgroupMatrix: { m: 16, n: 16, k: 16 } };
    const choices = (traits: DeviceTraits, more: Numbers): string[] =>
      [
        [matmulKernel, { ...sizes, ...strides }],
        [conv2dKernel, conv],
        [conv2dInputGradientKernel, conv],
        [conv2dWeightGradientKernel, conv],
      ].map(
        ([kernel, params]) =>
          new Tuner(traits, new Bench(device)).rungs(kernel as Kernel, { ...(params as Numbers), ...more }).untuned
            .variant.name,
      );
    expect(new Set(choices(gpu, {}))).toEqual(new Set(['tiled']));
    expect(new Set(choices(matrix, {}))).toEqual(new Set(['tiled']));
    expect(new Set(choices(gpu, { half: 1 }))).toEqual(new Set(['tiled-half']));
    expect(new Set(choices(matrix, { half: 1 }))).toEqual(new Set(['matrix-half']));
    // Subgroups of unknown size cannot share a tile.
    expect(new Set(choices({ ...matrix, subgroupMaxSize: 64 }, { half: 1 }))).toEqual(new Set(['tiled-half']));
  });

  it.each([16_384, 32_768, 49_152])(
    'decomposes in workgroup memory of %i bytes what fits, the rest outside',
    (bytes) => {
      for (const n of [16, 64, 100, 128, 256]) {
        const traits = { ...gpu, maxWorkgroupStorage: bytes };
        const { variant, tile } = new Tuner(traits, new Bench(device)).rungs(eighKernel as unknown as Kernel, {
          batch: 128,
          n,
        }).untuned;
        expect(variant.name).toBe('round-robin');
        const [{ constants }] = variant.passes({ batch: 128, n }, tile, traits);
        const { TILE, CAPACITY, SHARED } = constants as Record<string, number>;
        // The columns, an inverse length of each, sums of 256 invocations, a flag.
        expect(4 * (TILE + CAPACITY) + 16 * 256 + 16, `n ${n}`).toBeLessThanOrEqual(bytes);
        expect(SHARED, `n ${n}`).toBe(n === 16 || (n === 64 && bytes >= 32_768));
      }
    },
  );
});
