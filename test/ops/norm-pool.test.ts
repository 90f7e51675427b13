import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  BatchNorm,
  type BatchNormMaxPoolOptions,
  backward,
  batchNorm,
  batchNormMaxPool2d,
  type Device,
  maxPool2d,
  openDevice,
  type Tensor,
  tensor,
} from '../../engine/node.ts';
import {
  normMaxPoolGradientKernel,
  normMaxPoolGradientSumsKernel,
  normMaxPoolKernel,
} from '../../kernels/norm/norm-pool.ts';
import { expectClose, expectSame } from '../expect-close.ts';
import { gradCheck, input, samples } from '../gradcheck.ts';
import { checkAgainstReference } from './reference-check.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());
afterEach(() => {
  device.tuner.force('*', undefined);
  vi.unstubAllEnvs();
});

checkAgainstReference('pointwise', {
  normMaxPool: {
    run: ({ x, weight, bias, runningMean, runningVar }, a) =>
      batchNormMaxPool2d(x, {
        weight,
        bias,
        runningMean,
        runningVar,
        training: a.training as boolean,
        eps: a.eps as number,
        momentum: a.momentum as number,
        kernelSize: a.kernelSize as number,
        activation: 'leakyRelu',
        negativeSlope: a.slope as number,
      }),
    state: ['runningMean', 'runningVar'],
    constant: ['runningMean', 'runningVar'],
    tolerance: () => ({ atol: 3e-5, rtol: 1e-5 }),
  },
});

it('gives NaN where a window holds one', async () => {
  const statistics = { runningMean: tensor([0]), runningVar: tensor([1]) };
  for (const at of [0, 1, 2, 3]) {
    const x = tensor([1, 2, 3, 4].with(at, Number.NaN), [1, 2, 2, 1]);
    expect(await batchNormMaxPool2d(x, { ...statistics, activation: 'relu' }).item()).toBeNaN();
  }
});

/** Batch norm with ReLU and 2 × 2 maxima of x [h, w, channels], rows and columns past the last window left out. */
function truth(h: number, w: number, channels: number, x: Float64Array, weight: Float64Array, bias: Float64Array) {
  const [oh, ow] = [Math.floor(h / 2), Math.floor(w / 2)];
  const out = new Float64Array(oh * ow * channels).fill(Number.NEGATIVE_INFINITY);
  for (let c = 0; c < channels; c++) {
    const places = Array.from({ length: h * w }, (_, i) => i * channels + c);
    const mean = places.reduce((sum, at) => sum + x[at], 0) / places.length;
    const variance = places.reduce((sum, at) => sum + (x[at] - mean) ** 2, 0) / places.length;
    for (let i = 0; i < places.length; i++) {
      const [y, column] = [Math.floor(Math.floor(i / w) / 2), Math.floor((i % w) / 2)];
      if (y >= oh || column >= ow) continue;
      const v = Math.max(0, ((x[places[i]] - mean) / Math.sqrt(variance + 1e-5)) * weight[c] + bias[c]);
      const at = (y * ow + column) * channels + c;
      out[at] = Math.max(out[at], v);
    }
  }
  return out;
}

it('has the gradient of central differences', () =>
  gradCheck({
    op: (x, weight, bias) => batchNormMaxPool2d(x, { weight, bias, training: true, activation: 'relu' }),
    truth: (x, weight, bias) => truth(5, 6, 4, x, weight, bias),
    inputs: [input([1, 5, 6, 4]), input([4], 2), input([4], 3)],
    tolerance: { rtol: 1e-4, atol: 2e-4 },
  }));

interface Case {
  readonly shape: readonly [number, number, number, number];
  readonly options: BatchNormMaxPoolOptions;
}

const cases: Case[] = [
  { shape: [2, 12, 12, 8], options: { activation: 'relu' } },
  { shape: [3, 25, 25, 12], options: { activation: 'relu' } },
  { shape: [1, 7, 40, 5], options: { activation: 'leakyRelu', negativeSlope: 0.2 } },
  { shape: [2, 10, 11, 4], options: { kernelSize: 3 } },
  { shape: [2, 3, 3, 16], options: { kernelSize: 1, activation: 'relu' } },
];

/** Output and gradients of x, weight and bias. */
async function passes({ shape, options }: Case, run: (x: Tensor, options: BatchNormMaxPoolOptions) => Tensor) {
  const [batch, h, w, channels] = shape;
  const x = tensor(samples(batch * h * w * channels, 3), shape, { requiresGrad: true });
  // Negative weights too: the largest output is then at the smallest input.
  const weight = tensor(samples(channels, 8), [channels], { requiresGrad: true });
  const bias = tensor(samples(channels, 9), [channels], { requiresGrad: true });
  const y = run(x, { weight, bias, training: true, ...options });
  backward(y, tensor(samples(y.size, 4), y.shape));
  return Promise.all([y, x.grad, weight.grad, bias.grad].map((t) => (t as Tensor).floats()));
}

const label = ['y', 'dx', 'dweight', 'dbias'];

describe.each(cases)('$shape, $options', (one) => {
  it('is what norm and pooling give one after the other', async () => {
    const fused = await passes(one, batchNormMaxPool2d);
    const apart = await passes(one, (x, { kernelSize = 2, ...norm }) => maxPool2d(batchNorm(x, norm), { kernelSize }));
    expectSame(fused[0], apart[0], device.traits);
    for (const [i, values] of apart.entries())
      expectClose(fused[i], values, { atol: 2e-5, rtol: 2e-5, label: label[i] });
  });

  it('every variant agrees with the naive one', async () => {
    device.tuner.force('*', 'naive');
    const naive = await passes(one, batchNormMaxPool2d);
    const kernels = [normMaxPoolKernel, normMaxPoolGradientSumsKernel, normMaxPoolGradientKernel];
    const rungs = new Set(kernels.flatMap(({ variants }) => variants.map(({ name }) => name)));
    expect(rungs.size).toBeGreaterThan(4);
    for (const rung of rungs) {
      device.tuner.force('*', rung);
      const found = await passes(one, batchNormMaxPool2d);
      for (const [i, values] of naive.entries())
        expectClose(found[i], values, { atol: 2e-5, rtol: 2e-5, label: `${rung} ${label[i]}` });
    }
  });
});

it('gives a tie to the first, as PyTorch does', async () => {
  const x = tensor(new Float32Array(16).fill(1), [1, 4, 4, 1], { requiresGrad: true });
  const statistics = { runningMean: tensor(new Float32Array(1)), runningVar: tensor(new Float32Array(1).fill(1)) };
  const y = batchNormMaxPool2d(x, { ...statistics, eps: 0 });
  backward(y, tensor([1, 2, 3, 4], [1, 2, 2, 1]));
  expect(Array.from(await (x.grad as Tensor).floats())).toEqual([1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0]);
});

it('refuses what does not fit, and says what would', () => {
  const x = tensor(new Float32Array(12), [1, 1, 3, 4]);
  expect(() => batchNormMaxPool2d(x)).toThrow(/window of 2×2 does not fit into \[1, 1, 3, 4\].*larger picture/s);
  expect(() => batchNormMaxPool2d(x, { kernelSize: 1.5 })).toThrow(/kernelSize is 1.5.*integer/s);
  expect(() => batchNormMaxPool2d(tensor([1, 2]))).toThrow(/x is \[2\]/);
});

it('FUSE_POOL=0 runs one after the other', async () => {
  const norm = new BatchNorm(4, { activation: 'relu' });
  const x = tensor(samples(2 * 6 * 6 * 4, 3), [2, 6, 6, 4]);
  const kernels = async (): Promise<string[]> =>
    (await device.profile(async () => void (await norm.forwardMaxPool(x, 2).data()))).map(({ kernel }) => kernel);
  expect(await kernels()).toContain('normMaxPool');
  vi.stubEnv('FUSE_POOL', '0');
  expect(await kernels()).toContain('maxPool');
});
