import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  backward,
  type Conv2dOptions,
  type ConvTranspose2dOptions,
  conv2d,
  convTranspose2d,
  type Device,
  openDevice,
  type Tensor,
  tensor,
} from '../../engine/node.ts';
import { hasLanes } from '../../kernels/common/lanes.ts';
import { conv2dKernel } from '../../kernels/conv/conv2d.ts';
import { conv2dInputGradientKernel } from '../../kernels/conv/conv2d-input-gradient.ts';
import { conv2dWeightGradientKernel } from '../../kernels/conv/conv2d-weight-gradient.ts';
import type { Constants } from '../../kernels/kernel.ts';
import { expectClose } from '../expect-close.ts';
import { input, samples } from '../gradcheck.ts';

const device: Device = await openDevice();
afterAll(() => device.close());

const kernels = [conv2dKernel, conv2dInputGradientKernel, conv2dWeightGradientKernel];
const rungs = [...new Set(kernels.flatMap((k) => k.variants.map(({ name }) => name)))];

interface Case {
  readonly name: string;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly options?: Conv2dOptions & ConvTranspose2dOptions;
  readonly bias?: boolean;
  readonly transposed?: boolean;
}

const cases: Case[] = [
  { name: 'multiples of the tile', x: [2, 8, 8, 32], w: [3, 3, 32, 64], options: { padding: 1 } },
  { name: 'first layer', x: [2, 9, 7, 3], w: [3, 3, 3, 20], options: { padding: 1, activation: 'relu' }, bias: true },
  { name: 'one channel', x: [3, 28, 27, 1], w: [3, 3, 1, 20], options: { padding: 1, activation: 'relu' }, bias: true },
  {
    name: 'two channels',
    x: [2, 13, 11, 2],
    w: [2, 3, 2, 16],
    options: { padding: [0, 2], stride: [2, 1], dilation: [1, 2] },
  },
  { name: 'odd channels', x: [1, 6, 5, 7], w: [3, 3, 7, 9], options: { activation: 'leakyRelu' }, bias: true },
  { name: 'one row of pixels', x: [3, 1, 5, 8], w: [1, 3, 8, 36], options: { padding: [0, 1] } },
  { name: 'fewer pixels than a tile', x: [1, 3, 2, 12], w: [3, 3, 12, 5], options: { padding: 1 }, bias: true },
  { name: 'stride 2', x: [2, 9, 8, 4], w: [3, 3, 4, 8], options: { stride: 2, padding: 1 }, bias: true },
  { name: 'stride [3, 1]', x: [2, 9, 8, 4], w: [2, 3, 4, 6], options: { stride: [3, 1], padding: [0, 2] } },
  {
    name: '4 × 4, stride 2',
    x: [1, 10, 10, 6],
    w: [4, 4, 6, 8],
    options: { stride: 2, padding: 1, activation: 'tanh' },
  },
  { name: '7 × 7', x: [1, 11, 12, 3], w: [7, 7, 3, 8], options: { padding: 3 } },
  { name: '7 × 7 to 3 channels', x: [2, 10, 13, 8], w: [7, 7, 8, 3], options: { padding: 2 }, bias: true },
  { name: '4 × 4 to 1 channel', x: [1, 9, 21, 12], w: [4, 4, 12, 1], options: { padding: 1, stride: [1, 2] } },
  { name: '4 × 4 to 1 channel, deep', x: [2, 9, 21, 36], w: [4, 4, 36, 1], options: { padding: 1 } },
  { name: '3 × 9 to 4 channels', x: [2, 8, 30, 8], w: [3, 9, 8, 4], options: { padding: [1, 4] }, bias: true },
  { name: '1 × 1 to 2 channels', x: [2, 9, 17, 8], w: [1, 1, 8, 2] },
  { name: '1 × 1', x: [2, 5, 4, 16], w: [1, 1, 16, 12] },
  { name: 'dilated', x: [1, 9, 9, 4], w: [3, 3, 4, 8], options: { padding: 2, dilation: 2 } },
  { name: 'dilated, stride 2', x: [1, 9, 9, 4], w: [3, 3, 4, 8], options: { padding: 2, dilation: 2, stride: 2 } },
  { name: 'groups of fours', x: [2, 5, 6, 16], w: [3, 3, 8, 24], options: { padding: 1, groups: 2 }, bias: true },
  { name: 'groups of threes', x: [2, 5, 6, 6], w: [3, 3, 3, 4], options: { padding: 1, groups: 2 } },
  { name: 'depthwise', x: [2, 7, 6, 12], w: [3, 3, 1, 12], options: { padding: 1, groups: 12, activation: 'relu' } },
  {
    name: 'depthwise, strips over the edge',
    x: [1, 5, 19, 8],
    w: [3, 5, 1, 8],
    options: { padding: [0, 3], groups: 8 },
  },
  {
    name: 'depthwise, more padding than strips take',
    x: [2, 4, 9, 4],
    w: [2, 3, 1, 4],
    options: { padding: [2, 1], groups: 4, activation: 'relu' },
    bias: true,
  },
  { name: 'depthwise, 5 × 5', x: [3, 9, 16, 12], w: [5, 5, 1, 12], options: { padding: 2, groups: 12 }, bias: true },
  { name: 'depthwise, stride 2', x: [1, 7, 6, 8], w: [3, 3, 1, 8], options: { stride: 2, groups: 8 }, bias: true },
  {
    name: 'depthwise, dilated',
    x: [2, 9, 8, 4],
    w: [3, 2, 1, 4],
    options: { groups: 4, padding: [2, 1], dilation: 2, activation: 'relu6' },
    bias: true,
  },
  {
    name: 'tiles of four over the edges',
    x: [2, 9, 7, 8],
    w: [3, 3, 8, 12],
    options: { padding: [0, 2], activation: 'sigmoid' },
    bias: true,
  },
  // 65 × 65 tiles of 16 pixels: more than one chunk of Winograd's, each 1820 tiles at up to 32 channels
  { name: 'many tiles', x: [1, 260, 260, 4], w: [3, 3, 4, 32], options: { padding: 1 } },
  { name: 'many positions', x: [4, 40, 40, 4], w: [3, 3, 4, 8], options: { padding: 1 }, bias: true },
  // Three parts of five lines: an odd number of pairs, so that the last step of a part has half to do.
  { name: 'lines of pairs, odd parts', x: [1, 15, 14, 8], w: [3, 3, 8, 16], options: { padding: 1 } },
  { name: 'deep', x: [1, 5, 6, 132], w: [3, 3, 132, 12], options: { padding: 1, activation: 'leakyRelu' }, bias: true },
  {
    name: 'deep, stride 2, sigmoid',
    x: [1, 7, 6, 256],
    w: [4, 4, 256, 6],
    options: { stride: 2, padding: 1, activation: 'sigmoid' },
    bias: true,
  },
  {
    name: 'transposed, doubling',
    x: [2, 5, 4, 16],
    w: [3, 3, 8, 16],
    options: { stride: 2, padding: 1, outputPadding: 1, activation: 'relu' },
    bias: true,
    transposed: true,
  },
  {
    name: 'transposed, deep',
    x: [1, 4, 3, 256],
    w: [3, 3, 8, 256],
    options: { stride: 2, padding: 1, activation: 'relu' },
    bias: true,
    transposed: true,
  },
  { name: 'transposed, odd', x: [1, 3, 4, 5], w: [2, 2, 3, 5], options: { stride: 3 }, transposed: true },
];

/** The op's output and all its gradients, under the rung `name` where it is given and supports the shape. */
async function run(one: Case, name?: string): Promise<{ labels: string[]; values: Float32Array[] }> {
  if (name) device.tuner.force('*', name);
  const make = (shape: readonly number[], seed: number): Tensor =>
    tensor(samples(input(shape, seed).data.length, seed), shape, { requiresGrad: true });
  const leaves = [make(one.x, 1), make(one.w, 2)];
  const channels = one.transposed ? one.w[2] : one.w[3];
  if (one.bias) leaves.push(make([channels], 3));
  const [x, w, bias] = leaves;
  const y = one.transposed ? convTranspose2d(x, w, bias, one.options) : conv2d(x, w, bias, one.options);
  backward(y, tensor(samples(y.size, 4), y.shape));
  const results = [y, ...leaves.map((leaf) => leaf.grad as Tensor)];
  const values: Float32Array[] = [];
  for (const result of results) values.push(await result.floats());
  device.tuner.force('*', undefined);
  return { labels: ['output', 'gradient of x', 'gradient of weight', 'gradient of bias'], values };
}

describe('every variant of the convolutions against the naive one', () => {
  it.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    const expected = await run(one, 'naive');
    const depth = Math.max(one.x[0] * one.x[1] * one.x[2], one.w[0] * one.w[1] * Math.max(one.w[2], one.w[3]));
    for (const rung of rungs.filter((name) => name !== 'naive')) {
      const found = await run(one, rung);
      expected.values.forEach((values, i) => {
        const label = `${rung}: ${expected.labels[i]}`;
        // Winograd's transforms cost digits: up to 2.1e-5 of the largest value was measured (winograd.test.ts).
        const largest = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
        const atol = rung.startsWith('winograd') ? 3e-5 * largest : 2e-6 + depth * 2 ** -24;
        expectClose(found.values[i], values, { atol, label });
      });
    }
  });
});

/** The kernel's parameters for one group and no activation. */
function geometry(x: number[], w: number[], { stride = 1, padding = 0 }: { stride?: number; padding?: number }) {
  const [batch, height, width, cin] = x;
  const [kh, kw, , cout] = w;
  const along = (size: number, window: number): number => Math.floor((size + 2 * padding - window) / stride) + 1;
  return {
    ...{ batch, h: height, w: width, cin, oh: along(height, kh), ow: along(width, kw), cout, groups: 1, kh, kw },
    ...{ strideY: stride, strideX: stride, paddingY: padding, paddingX: padding, dilationY: 1, dilationX: 1 },
    ...{ activation: 0, slope: 0 },
  };
}

describe('every tile of the narrow and lanes rungs', () => {
  beforeEach((context) => {
    if (!hasLanes(device.traits)) context.skip('needs subgroups of 8 (software Vulkan)');
  });
  const shapes = [
    { x: [2, 9, 7, 5], w: [3, 3, 5, 3], options: { padding: 1 } },
    { x: [1, 13, 11, 2], w: [4, 4, 2, 33], options: { stride: 2, padding: 1 } },
    { x: [1, 10, 9, 12], w: [3, 3, 12, 18], options: { padding: 1 } },
    // Weights as they stand: odd channels of the input gradient, and more than a tile has.
    { x: [2, 7, 9, 5], w: [3, 2, 5, 8], options: { padding: 1, stride: 2 } },
    { x: [1, 9, 8, 36], w: [3, 3, 36, 12], options: { padding: 1 } },
    { x: [2, 8, 7, 12], w: [4, 4, 12, 44], options: { padding: 1, stride: 2 } },
    { x: [2, 9, 10, 2], w: [3, 3, 2, 40], options: { padding: 1 } },
    { x: [1, 9, 8, 8], w: [1, 3, 8, 132], options: { padding: 1 } },
    // Three channels, padded and not, of either end.
    { x: [2, 9, 10, 3], w: [5, 4, 3, 17], options: { padding: 2 } },
    { x: [2, 9, 10, 20], w: [3, 3, 20, 3], options: { padding: 1, stride: 2 } },
  ];
  it.each(shapes)('%j', async ({ x, w, options }) => {
    for (const kernel of kernels) {
      for (const name of ['narrow', 'lanes']) {
        const rung = kernel.variants.find((v) => v.name === name);
        const pass = async (tile?: Constants): Promise<Float32Array[]> => {
          device.tuner.force(kernel.name, tile ? name : 'naive', tile);
          const leaf = tensor(samples(input(x, 1).data.length, 1), x, { requiresGrad: true });
          const weight = tensor(samples(input(w, 2).data.length, 2), w, { requiresGrad: true });
          const y = conv2d(leaf, weight, undefined, options);
          backward(y, tensor(samples(y.size, 4), y.shape));
          const values = await Promise.all([y, leaf.grad as Tensor, weight.grad as Tensor].map((t) => t.floats()));
          device.tuner.force(kernel.name, undefined);
          return values;
        };
        const expected = await pass();
        for (const tile of rung?.tiles?.(geometry(x, w, options), device.traits) ?? []) {
          const found = await pass(tile);
          const label = `${kernel.name}/${name} ${JSON.stringify(tile)}`;
          for (const [i, values] of expected.entries()) expectClose(found[i], values, { atol: 2e-5, label });
        }
      }
    }
  });
});

it('reads weights as they stand where there is little work, and pads three channels where a texture pays', (test) => {
  if (!hasLanes(device.traits)) return test.skip('needs subgroups of 8 (software Vulkan)');
  const first = (kernel: string, rung: string, x: number[], w: number[], textures = true): Constants | undefined => {
    const found = kernels.find(({ name }) => name === kernel)?.variants.find(({ name }) => name === rung);
    return found?.tiles?.(geometry(x, w, { padding: 1 }), { ...device.traits, textures })[0];
  };
  for (const kernel of ['conv2d', 'conv2dInputGradient']) {
    expect(first(kernel, 'lanes', [2, 16, 16, 64], [3, 3, 64, 64])).toMatchObject({ natural: 1 });
    expect(first(kernel, 'lanes', [8, 56, 56, 64], [3, 3, 64, 64])).toMatchObject({ natural: 0 });
  }
  // Numbers of three channels do not begin at multiples of four: backwards such weights are always arranged.
  expect(first('conv2dInputGradient', 'lanes', [2, 16, 16, 64], [3, 3, 64, 3])).not.toHaveProperty('natural');
  const picture = [8, 64, 64, 3];
  expect(first('conv2d', 'narrow', picture, [3, 3, 3, 16])).toMatchObject({ padded: 1 });
  expect(first('conv2d', 'narrow', picture, [3, 3, 3, 16], false)).not.toHaveProperty('padded');
  expect(first('conv2d', 'narrow', [1, 16, 16, 3], [3, 3, 3, 16])).not.toHaveProperty('padded');
});

it('the largest tile of the tiled rungs, over its edges (all others: matmul.test.ts)', async () => {
  const one: Case = { name: '', x: [3, 11, 9, 20], w: [3, 3, 20, 136], options: { padding: 1, stride: [1, 2] } };
  const expected = await run(one, 'naive');
  for (const kernel of kernels) device.tuner.force(kernel.name, 'tiled', { bm: 128, bn: 128, micro: 8 });
  const found = await run(one);
  for (const kernel of kernels) device.tuner.force(kernel.name, undefined);
  for (const [i, values] of expected.values.entries()) {
    expectClose(found.values[i], values, { atol: 5e-5, label: expected.labels[i] });
  }
});

it('more positions than 65,535 tiles of 8 do not fall back to naive', async () => {
  const x = tensor(samples(725 * 724 * 4), [1, 725, 724, 4]);
  const weight = tensor(samples(16, 2), [1, 1, 4, 4]);
  device.tuner.force('conv2d', 'naive');
  const expected = await conv2d(x, weight).floats();
  device.tuner.force('conv2d', undefined);
  const [entry] = await device.profile(async () => {
    expectClose(await conv2d(x, weight).floats(), expected, { label: 'many tiles' });
  });
  expect(entry?.variant).not.toBe('naive');
});
