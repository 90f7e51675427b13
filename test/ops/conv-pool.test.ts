import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  backward,
  Conv2d,
  type Conv2dOptions,
  conv2d,
  conv2dMaxPool2d,
  type Device,
  Generator,
  maxPool2d,
  openDevice,
  type Tensor,
  tensor,
} from '../../engine/node.ts';
import { conv2dMaxPoolKernel } from '../../kernels/conv/conv2d-max-pool.ts';
import { conv2dMaxPoolWeightGradientKernel } from '../../kernels/conv/conv2d-max-pool-weight-gradient.ts';
import { expectClose, expectSame } from '../expect-close.ts';
import { gradCheck, input, samples } from '../gradcheck.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());
afterEach(() => {
  device.tuner.force('*', undefined);
  vi.unstubAllEnvs();
});

interface Case {
  readonly name: string;
  readonly x: readonly number[];
  readonly weight: readonly number[];
  readonly options: Conv2dOptions;
}

const cases: Case[] = [
  { name: 'one channel', x: [3, 28, 28, 1], weight: [3, 3, 1, 16], options: { padding: 1, activation: 'relu' } },
  { name: 'one channel, odd sizes', x: [2, 13, 27, 1], weight: [3, 3, 1, 20], options: { padding: 1 } },
  {
    name: 'two channels, flat window',
    x: [2, 9, 12, 2],
    weight: [2, 4, 2, 8],
    options: { padding: [1, 2], activation: 'leakyRelu', negativeSlope: 0.2 },
  },
  { name: 'three channels', x: [2, 20, 21, 3], weight: [3, 3, 3, 64], options: { padding: 1, activation: 'relu' } },
  { name: 'sixteen channels', x: [4, 14, 14, 16], weight: [3, 3, 16, 32], options: { padding: 1, activation: 'relu' } },
  {
    name: 'leaky, several parts, stride and dilation',
    x: [9, 21, 15, 12],
    weight: [2, 3, 12, 20],
    options: { padding: [1, 0], stride: [1, 2], dilation: [2, 1], activation: 'leakyRelu', negativeSlope: 0.1 },
  },
  { name: 'odd depth, two panels', x: [2, 11, 9, 18], weight: [3, 3, 18, 36], options: { padding: 1 } },
  {
    name: 'groups and stride',
    x: [1, 17, 30, 16],
    weight: [3, 3, 8, 48],
    options: { groups: 2, stride: [1, 2], activation: 'relu' },
  },
];

const LABELS = ['y', 'dx', 'dweight', 'dbias'];

/** Output and gradients; of x too, unless it is the network's input. */
async function passes({ x: xs, weight: ws, options }: Case, run: typeof conv2dMaxPool2d, first = false) {
  const make = (shape: readonly number[], seed: number, requiresGrad = true) =>
    tensor(input(shape, seed).data, shape, { requiresGrad });
  const [x, weight, bias] = [make(xs, 3, !first), make(ws, 8), make([ws[3]], 9)];
  const y = run(x, weight, bias, options);
  backward(y, tensor(samples(y.size, 4), y.shape));
  const found = [y, ...(first ? [] : [x.grad]), weight.grad, bias.grad];
  return {
    labels: first ? LABELS.filter((label) => label !== 'dx') : LABELS,
    values: await Promise.all(found.map((t) => (t as Tensor).floats())),
  };
}

const apart: typeof conv2dMaxPool2d = (x, weight, bias, { activation, negativeSlope, ...options } = {}) => {
  const pooling = { kernelSize: 2, activation: activation as 'relu' | undefined, negativeSlope };
  return maxPool2d(conv2d(x, weight, bias, options), pooling);
};

const tolerance = { atol: 2e-5, rtol: 2e-5 };

const unsigned = (values: Float32Array): Float32Array => values.map((v) => v + 0);

describe.each(cases)('$name', (one) => {
  it.each([false, true])(
    'is what convolution and pooling give one after the other (first layer: %s)',
    async (first) => {
      const fused = await passes(one, conv2dMaxPool2d, first);
      const { labels, values } = await passes(one, apart, first);
      // −0 and 0 are the same value: a ReLU makes either.
      expectSame(unsigned(fused.values[0]), unsigned(values[0]), device.traits);
      for (const [i, expected] of values.entries())
        expectClose(fused.values[i], expected, { ...tolerance, label: labels[i] });
    },
  );

  it('every variant agrees with the naive one', async () => {
    device.tuner.force('*', 'naive');
    const naive = await passes(one, conv2dMaxPool2d, true);
    const kernels = [conv2dMaxPoolKernel, conv2dMaxPoolWeightGradientKernel];
    const rungs = new Set(kernels.flatMap(({ variants }) => variants.map(({ name }) => name)));
    expect(rungs.size).toBeGreaterThan(2);
    for (const rung of rungs) {
      device.tuner.force('*', rung);
      const found = await passes(one, conv2dMaxPool2d, true);
      for (const [i, values] of naive.values.entries())
        expectClose(found.values[i], values, { ...tolerance, label: `${rung} ${naive.labels[i]}` });
    }
  });
});

const kernelsOf = async (work: () => Tensor): Promise<string[]> =>
  (await device.profile(async () => void (await work().data()))).map(({ kernel, variant }) => `${kernel}/${variant}`);

it('is one kernel with few channels and with many, on software Vulkan; Winograd stays apart', async (context) => {
  if (device.traits.family !== 'lanes') context.skip('the fused rungs are for lanes');
  const run = ({ x, weight }: Pick<Case, 'x' | 'weight'>) => {
    const [values, weights] = [tensor(input(x).data, x), tensor(input(weight).data, weight)];
    return kernelsOf(() => conv2dMaxPool2d(values, weights, undefined, { padding: 1 }));
  };
  expect(await run(cases[0])).toContain('conv2dMaxPool/blocks');
  expect(await run(cases[4])).toContain('conv2dMaxPool/lanes');
  const large = await run({ x: [4, 56, 56, 64], weight: [3, 3, 64, 64] });
  expect(large).toContain('conv2d/winograd');
  expect(large.filter((kernel) => kernel.startsWith('maxPool/'))).toHaveLength(1);
});

it('the first layer’s gradient goes past the pooling', async (context) => {
  if (device.traits.family !== 'lanes') context.skip('the fused rungs are for lanes');
  const { x, weight, options } = cases[0];
  const leaf = tensor(input(weight).data, weight, { requiresGrad: true });
  const values = tensor(input(x).data, x);
  const kernels = await kernelsOf(() => {
    const y = conv2dMaxPool2d(values, leaf, undefined, options);
    backward(y, tensor(samples(y.size, 4), y.shape));
    return leaf.grad as Tensor;
  });
  expect(kernels).toContain('conv2dMaxPoolWeightGradient/blocks');
  expect(kernels.some((kernel) => kernel.startsWith('maxPoolBackward'))).toBe(false);
});

it('a layer after it gets the weights’ gradient and the bias’ from windows, and unpools for its input alone', async (context) => {
  if (device.traits.family !== 'lanes') context.skip('the fused rungs are for lanes');
  const { x, weight, options } = cases[4];
  const leaves = [x, weight, [weight[3]]].map((shape, i) =>
    tensor(input(shape, i).data, shape, { requiresGrad: true }),
  );
  const kernels = await kernelsOf(() => {
    const y = conv2dMaxPool2d(leaves[0], leaves[1], leaves[2], options);
    backward(y, tensor(samples(y.size, 4), y.shape));
    return leaves[0].grad as Tensor;
  });
  const names = kernels.map((kernel) => kernel.split('/')[0]);
  expect(kernels).toContain('conv2dMaxPoolWeightGradient/lanes');
  expect(names.filter((name) => name === 'maxPoolBackward')).toHaveLength(1);
  expect(names).not.toContain('conv2dWeightGradient');
  expect(names).not.toContain('reduce');
});

it('FUSE_POOL=0 runs one after the other', async () => {
  const layer = new Conv2d(1, 16, 3, { padding: 1, activation: 'relu', generator: new Generator(1) });
  const x = tensor(input([2, 28, 28, 1]).data, [2, 28, 28, 1]);
  vi.stubEnv('FUSE_POOL', '0');
  const kernels = await kernelsOf(() => layer.forwardMaxPool(x, 2));
  expect(kernels.some((kernel) => kernel.startsWith('maxPool/'))).toBe(true);
  expect(kernels.some((kernel) => kernel.startsWith('conv2dMaxPool'))).toBe(false);
});

/** Maxima of 2 × 2 of a 3 × 3 convolution, padding 1, of x [h, w, 1] to 4 channels, with ReLU. */
function truth(h: number, w: number, x: Float64Array, weight: Float64Array, bias: Float64Array) {
  const at = (y: number, column: number): number =>
    y < 0 || y >= h || column < 0 || column >= w ? 0 : x[y * w + column];
  const out = new Float64Array((h >> 1) * (w >> 1) * 4);
  for (let i = 0; i < out.length; i++) {
    const [c, wx, wy] = [i % 4, (i >> 2) % (w >> 1), Math.floor((i >> 2) / (w >> 1))];
    const values = [0, 1, 2, 3].map((p) => {
      let sum = bias[c];
      for (let tap = 0; tap < 9; tap++) {
        const [ky, kx] = [Math.floor(tap / 3), tap % 3];
        sum += at(2 * wy + (p >> 1) + ky - 1, 2 * wx + (p & 1) + kx - 1) * weight[tap * 4 + c];
      }
      return sum;
    });
    out[i] = Math.max(0, ...values);
  }
  return out;
}

it.each([undefined, 0])('has the gradient of central differences (constant input: %s)', (constant) =>
  gradCheck({
    op: (x, weight, bias) => conv2dMaxPool2d(x, weight, bias, { padding: 1, activation: 'relu' }),
    truth: (x, weight, bias) => truth(24, 20, x, weight, bias),
    inputs: [input([1, 24, 20, 1]), input([3, 3, 1, 4], 2), input([4], 3)],
    ...(constant !== undefined && { constant: [constant] }),
    tolerance: { rtol: 1e-4, atol: 2e-4 },
  }),
);

it('pools other windows one after the other', async () => {
  const { x, weight, options } = cases[0];
  const [values, weights] = [tensor(input(x).data, x), tensor(input(weight).data, weight)];
  const pooled = conv2dMaxPool2d(values, weights, undefined, { ...options, kernelSize: 3 });
  const expected = maxPool2d(conv2d(values, weights, undefined, options), { kernelSize: 3 });
  expect(pooled.shape).toEqual([3, 9, 9, 16]);
  expectSame(unsigned(await pooled.floats()), unsigned(await expected.floats()), device.traits);
  expect(() => conv2dMaxPool2d(values, weights, undefined, { kernelSize: 1.5 })).toThrow(/kernelSize 1.5/);
});

it('gives NaN where a window holds one', async () => {
  const one = tensor([1], [1, 1, 1, 1]);
  for (const at of [0, 1, 2, 3]) {
    const x = tensor([1, 2, 3, 4].with(at, Number.NaN), [1, 2, 2, 1]);
    for (const { name } of conv2dMaxPoolKernel.variants) {
      device.tuner.force('*', name);
      expect(await conv2dMaxPool2d(x, one, undefined, { activation: 'relu' }).item()).toBeNaN();
    }
    device.tuner.force('*', undefined);
    const wide = tensor(new Float32Array(16).fill(1), [1, 1, 1, 16]);
    const grey = tensor(new Float32Array(4 * 32 * 32).fill(1).with(at * 33, Number.NaN), [4, 32, 32, 1]);
    const y = await conv2dMaxPool2d(grey, wide).floats();
    expect(y.filter(Number.isNaN)).toHaveLength(16);
  }
});

it('gives a tie to the first, as PyTorch does', async () => {
  const x = tensor(new Float32Array(16).fill(1), [1, 4, 4, 1], { requiresGrad: true });
  const weight = tensor(new Float32Array(4).fill(1), [1, 1, 1, 4]);
  const y = conv2dMaxPool2d(x, weight);
  backward(
    y,
    tensor(
      Float32Array.from({ length: 16 }, (_, i) => (i % 4 === 0 ? 1 + i / 4 : 0)),
      [1, 2, 2, 4],
    ),
  );
  expect(Array.from(await (x.grad as Tensor).floats())).toEqual([1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0]);
});

it('refuses what does not fit, and says what would', () => {
  const weight = tensor(new Float32Array(36), [3, 3, 1, 4]);
  const make = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape);
  expect(() => conv2dMaxPool2d(make(1, 3, 5, 1), weight)).toThrow(/2×2 does not fit into \[1, 1, 3, 4\].*padding/s);
  expect(() => conv2dMaxPool2d(make(1, 8, 8, 2), weight)).toThrow(/conv2d: \[1, 8, 8, 2\] and \[3, 3, 1, 4\]/);
  expect(() => conv2dMaxPool2d(make(1, 8, 8, 1), weight, undefined, { activation: 'tanh' })).toThrow(/tanh.*relu/s);
  expect(() => conv2dMaxPool2d(make(1, 8, 8, 1), weight, undefined, { stride: 0 })).toThrow(/conv2dMaxPool2d: stride/);
});
