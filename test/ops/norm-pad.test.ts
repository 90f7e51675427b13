import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  add,
  backward,
  batchNorm,
  type Device,
  exp,
  instanceNorm,
  noGrad,
  ones,
  openDevice,
  type Padding,
  program,
  reflectionPad2d,
  relu,
  sizeOf,
  sum,
  type Tensor,
  tensor,
  zeroPad2d,
  zeros,
} from '../../engine/node.ts';
import { hasLanes } from '../../kernels/common/lanes.ts';
import { normStatisticsKernel } from '../../kernels/norm/norm.ts';
import { expectClose } from '../expect-close.ts';
import { gradCheck, input, samples } from '../gradcheck.ts';
import { checkAgainstReference } from './reference-check.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => device.close());

checkAgainstReference('pointwise', {
  batchNorm: {
    run: ({ x, weight, bias, running_mean: runningMean, running_var: runningVar, runningMean: m, runningVar: v }, a) =>
      batchNorm(x, {
        weight,
        bias,
        runningMean: runningMean ?? m,
        runningVar: runningVar ?? v,
        training: a.training as boolean,
        eps: a.eps as number,
        momentum: a.momentum as number,
      }),
    state: ['runningMean', 'runningVar'],
    // A variance of 0 under eps 1e-3 scales rounding errors by 30.
    tolerance: () => ({ atol: 3e-5, rtol: 1e-5 }),
  },
  instanceNorm: {
    run: ({ x, weight, bias }, { eps }) => instanceNorm(x, { weight, bias, eps: eps as number }),
    tolerance: () => ({ atol: 3e-5, rtol: 1e-5 }),
  },
  reflectionPad2d: { run: ({ x }, { padding }) => reflectionPad2d(x, padding as Padding) },
  zeroPad2d: { run: ({ x }, { padding }) => zeroPad2d(x, padding as Padding) },
});

/** Per group and channel: ((x − mean) / sqrt(var + eps) · weight + bias), ReLU, + residual; x [groups, rows, channels]. */
function normTruth(
  groups: number,
  rows: number,
  channels: number,
  x: Float64Array,
  weight: Float64Array,
  bias: Float64Array,
  residual?: Float64Array,
): Float64Array {
  const y = new Float64Array(x.length);
  for (let g = 0; g < groups; g++) {
    for (let c = 0; c < channels; c++) {
      const at = (r: number) => (g * rows + r) * channels + c;
      let mean = 0;
      for (let r = 0; r < rows; r++) mean += x[at(r)] / rows;
      let variance = 0;
      for (let r = 0; r < rows; r++) variance += (x[at(r)] - mean) ** 2 / rows;
      for (let r = 0; r < rows; r++) {
        const v = ((x[at(r)] - mean) / Math.sqrt(variance + 1e-5)) * weight[c] + bias[c];
        y[at(r)] = Math.max(0, v) + (residual?.[at(r)] ?? 0);
      }
    }
  }
  return y;
}

describe('norm gradients by central differences', () => {
  it('batch norm with ReLU', () =>
    gradCheck({
      op: (x, weight, bias) => batchNorm(x, { weight, bias, training: true, activation: 'relu' }),
      truth: (x, w, b) => normTruth(1, 30, 4, x, w, b),
      inputs: [input([2, 3, 5, 4]), input([4], 2), input([4], 3)],
      tolerance: { rtol: 1e-4, atol: 2e-4 },
    }));

  it('instance norm with ReLU and residual', () =>
    gradCheck({
      op: (x, weight, bias, residual) => instanceNorm(x, { weight, bias, residual, activation: 'relu' }),
      truth: (x, w, b, r) => normTruth(2, 15, 3, x, w, b, r),
      inputs: [input([2, 3, 5, 3]), input([3], 2), input([3], 3), input([2, 3, 5, 3], 4)],
      tolerance: { rtol: 1e-4, atol: 2e-4 },
    }));
});

describe('norm', () => {
  it('gives what the separate operations give when fused', async () => {
    const x = tensor(samples(2 * 6 * 6 * 8), [2, 6, 6, 8]);
    const residual = tensor(samples(2 * 6 * 6 * 8, 5), [2, 6, 6, 8]);
    const fused = instanceNorm(x, { activation: 'relu', residual });
    const apart = add(relu(instanceNorm(x)), residual);
    expect(await fused.data()).toEqual(await apart.data());
  });

  it('keeps its digits when the mean is far from zero', async () => {
    const values = samples(4096 * 4).map((v) => 1000 + v);
    const y = await batchNorm(tensor(values, [64, 64, 4]), { training: true, eps: 0 }).floats();
    const exact = normTruth(1, 4096, 4, Float64Array.from(values), new Float64Array(4).fill(1), new Float64Array(4));
    expectClose(
      y.map((v) => Math.max(0, v)),
      exact,
      { atol: 2e-4, rtol: 1e-4 },
    );
  });

  it.each([
    [1, 5, 3],
    [1, 1000, 4],
    [2, 1100, 8],
    [3, 77, 12],
    [2, 1, 8],
    [7, 33, 5],
    [2, 40, 600],
    [2, 1100, 36],
  ])('every variant agrees with the naive one: %i groups, %i rows, %i channels', async (groups, rows, channels) => {
    const shape = [groups, rows, 1, channels];
    const values = samples(groups * rows * channels, 3);
    const seed = samples(groups * rows * channels, 4);
    const run = async (variant: string | undefined, whole = false): Promise<Float32Array[]> => {
      device.tuner.force('*', variant);
      vi.stubEnv('FUSE_NORM', whole ? '1' : '0');
      const x = tensor(values, shape, { requiresGrad: true });
      const weight = tensor(samples(channels, 8), [channels], { requiresGrad: true });
      const y = instanceNorm(x, { weight, activation: 'leakyRelu', negativeSlope: 0.2 });
      backward(y, tensor(seed, shape));
      return Promise.all([y, x.grad as Tensor, weight.grad as Tensor].map((t) => t.floats()));
    };
    const naive = await run('naive');
    const expectNaive = (found: readonly Float32Array[], variant: string): void => {
      for (const [i, label] of ['y', 'dx', 'dweight'].entries()) {
        expectClose(found[i], naive[i], { atol: 2e-5, rtol: 2e-5, label: `${variant} ${label}` });
      }
    };
    for (const variant of ['chunks', 'chunks-vec4', 'chunks-tree', 'vec4', 'rows']) {
      expectNaive(await run(variant), variant);
    }
    const lanes = await run('lanes');
    expectNaive(lanes, 'lanes');
    // Where the two run as one, naively to the bit as apart, and in lanes likewise.
    expect(await run('naive', true)).toEqual(naive);
    if (hasLanes(device.traits)) expect(await run('lanes', true)).toEqual(lanes);
    device.tuner.force('*', undefined);
  });

  it('runs as one kernel each way where it is small, FUSE_NORM=0 as two', async (test) => {
    if (!hasLanes(device.traits)) return test.skip('needs subgroups of 8 (software Vulkan)');
    const kernels = async (shape: number[], fuse: string): Promise<string[]> => {
      vi.stubEnv('FUSE_NORM', fuse);
      const x = tensor(samples(sizeOf(shape)), shape, { requiresGrad: true });
      const entries = await device.profile(() => backward(sum(instanceNorm(x, { activation: 'relu' }))));
      return entries.map(({ kernel }) => kernel).filter((name) => name.startsWith('norm'));
    };
    const two = ['normStatistics', 'normApply', 'normGradientSums', 'normGradient'];
    expect(await kernels([2, 8, 8, 64], '1')).toEqual(['norm', 'normBackward']);
    expect(await kernels([2, 8, 8, 64], '0')).toEqual(two);
    expect(await kernels([2, 64, 64, 32], '1')).toEqual(two);
  });

  it('moves running statistics, takes weight and bias, and stands in place of x as one kernel as it does as two', async () => {
    const shape = [3, 7, 5, 20]; // five vec4, of which two lie side by side: the last workgroup has one to spare
    const run = async (fuse: string, inPlace: string): Promise<Float32Array[]> => {
      vi.stubEnv('FUSE_NORM', fuse);
      vi.stubEnv('IN_PLACE', inPlace);
      const x = tensor(samples(sizeOf(shape)), shape, { requiresGrad: true });
      const [weight, bias] = [tensor(samples(20, 2), [20]), tensor(samples(20, 3), [20])];
      const [runningMean, runningVar] = [zeros([20]), ones([20])];
      const options = { weight, bias, runningMean, runningVar, training: true, activation: 'relu' } as const;
      // The norm's input is a temporary that ends with it, or with its gradient.
      const step = program(() => {
        backward(sum(relu(batchNorm(add(x, x), options))));
        const { grad } = x;
        return [noGrad(() => exp(batchNorm(exp(x), options))), add(grad as Tensor, grad as Tensor)];
      });
      const results = await step.run();
      const found = await Promise.all([...results, runningMean, runningVar].map((t) => t.floats()));
      step.dispose();
      return found;
    };
    const two = await run('0', '0');
    expect(await run('1', '0')).toEqual(two);
    expect(await run('1', '1')).toEqual(two);
    expect(two[2].every((v) => v !== 0)).toBe(true);
  });

  it('moves running statistics at every replay of a program', async () => {
    const x = tensor(samples(24), [6, 4]);
    const runningMean = tensor(new Float32Array(4));
    const runningVar = tensor(new Float32Array(4).fill(1));
    const step = program(() => batchNorm(x, { runningMean, runningVar, training: true, momentum: 0.5 }));
    await step.run();
    const once = await runningMean.floats();
    await step.run();
    expectClose(
      await runningMean.floats(),
      once.map((v) => v * 1.5),
    );
    step.dispose();
  });

  it('names what does not fit', () => {
    const x = tensor(samples(24), [6, 4]);
    expect(() => batchNorm(x, { weight: tensor([1, 2, 3]) })).toThrow(/are \[4\]; found \[3\]/);
    expect(() => batchNorm(x, { runningMean: tensor([1, 2, 3, 4]) })).toThrow(/come together/);
    expect(() => instanceNorm(x)).toThrow(/Needed: \[batch, h, w, channels\]/);
    expect(() => reflectionPad2d(tensor(samples(12), [1, 2, 2, 3]), 2)).toThrow(
      /cannot be reflected in a picture of 2×2/,
    );
  });
});

it.each([3, 8])('every rung pads %i channels the same, both ways', async (channels) => {
  const shape = [2, 9, 7, channels];
  const run = async (variant: string | undefined): Promise<Float32Array[]> => {
    for (const kernel of ['pad2d', 'pad2dGradient']) device.tuner.force(kernel, variant);
    const found: Float32Array[] = [];
    for (const pad of [reflectionPad2d, zeroPad2d]) {
      const x = tensor(samples(sizeOf(shape), 3), shape, { requiresGrad: true });
      const y = pad(x, { top: 3, bottom: 2, left: 0, right: 5 });
      backward(y, tensor(samples(y.size, 4), y.shape));
      found.push(await y.floats(), await (x.grad as Tensor).floats());
    }
    return found;
  };
  const naive = await run('naive');
  for (const variant of channels % 4 === 0 ? ['vec4', 'lines'] : ['lines']) {
    expect(await run(variant)).toEqual(naive);
  }
  await run(undefined);
});

it('pads more lines than a dispatch has workgroups side by side', async () => {
  const batch = 40_000;
  const x = tensor(samples(batch * 4, 3), [batch, 2, 2, 1], { requiresGrad: true });
  const y = reflectionPad2d(x, 1);
  const values = await x.floats();
  const mirrored = [3, 2, 3, 2, 1, 0, 1, 0, 3, 2, 3, 2, 1, 0, 1, 0];
  const expected = Float32Array.from({ length: batch * 16 }, (_, i) => values[(i >> 4) * 4 + mirrored[i & 15]]);
  expect(Buffer.compare(Buffer.from((await y.floats()).buffer), Buffer.from(expected.buffer))).toBe(0);
  backward(sum(y));
  expect((await x.grad?.floats())?.every((g) => g === 4)).toBe(true);
});

it('the statistics of many rows far from zero are right in every variant', async () => {
  const [rows, channels] = [300_001, 8];
  const spread = samples(rows * channels, 5);
  const values = spread.map((v, i) => 100 * (i % channels) + v);
  const x = tensor(values, [1, rows, 1, channels]);
  const sums = new Float64Array(channels);
  const squares = new Float64Array(channels);
  for (const [i, v] of values.entries()) sums[i % channels] += v;
  for (const [i, v] of values.entries()) squares[i % channels] += (v - sums[i % channels] / rows) ** 2;
  for (const { name } of normStatisticsKernel.variants.filter(({ name }) => name !== 'naive')) {
    device.tuner.force('normStatistics', name);
    const [runningMean, runningVar] = [zeros([channels]), ones([channels])];
    await batchNorm(x, { runningMean, runningVar, training: true, momentum: 1 }).floats();
    const means = Array.from(sums, (sum) => sum / rows);
    expectClose(await runningMean.floats(), means, { rtol: 1e-6, atol: 1e-5, label: `${name} mean` });
    const variances = Array.from(squares, (sum) => sum / (rows - 1));
    expectClose(await runningVar.floats(), variances, { rtol: 3e-5, atol: 0, label: `${name} variance` });
  }
  device.tuner.force('normStatistics', undefined);
});
