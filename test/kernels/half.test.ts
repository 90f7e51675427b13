import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  backward,
  type Conv2dOptions,
  conv2d,
  convTranspose2d,
  type Device,
  floatToHalf,
  halfToFloat,
  linear,
  matmul,
  openDevice,
  setFloat32MatmulPrecision,
  type Tensor,
  tensor,
} from '../../engine/node.ts';
import { conv2dKernel } from '../../kernels/conv/conv2d.ts';
import { conv2dInputGradientKernel } from '../../kernels/conv/conv2d-input-gradient.ts';
import { conv2dWeightGradientKernel } from '../../kernels/conv/conv2d-weight-gradient.ts';
import type { Constants, Kernel } from '../../kernels/kernel.ts';
import { tiledKinds } from '../../kernels/matmul/arithmetics.ts';
import { matmulKernel } from '../../kernels/matmul/matmul.ts';
import { blockTiles } from '../../kernels/matmul/tiled.ts';
import { expectClose } from '../expect-close.ts';
import { samples } from '../gradcheck.ts';

const device: Device = await openDevice();
afterAll(() => device.close());
afterEach(() => {
  setFloat32MatmulPrecision('highest');
  device.tuner.force('*', undefined);
});

/** What the kernels do to an operand: its largest value scaled to 2¹⁴ … 2¹⁵, rounded to halves, scaled back. */
function roundedToHalves(values: Float32Array): Float32Array {
  const largest = values.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 0);
  const scale = 2 ** (14 - Math.floor(Math.log2(largest)));
  return values.map((v) => halfToFloat(floatToHalf(v * scale)) / scale);
}

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b);

/** The rungs that round, by name, of these kernels. */
const halfRungs = (...kernels: readonly Kernel[]): string[] => [
  ...new Set(kernels.flatMap((k) => k.variants.map(({ name }) => name).filter((name) => name.endsWith('-half')))),
];

/**
 * Under the rung at 'medium', and naively in f32 on operands that were rounded beforehand: products of halves are exact in
 * f32, so the two may differ by the order of the sum alone.
 */
async function compare(
  rung: string,
  operands: readonly Float32Array[],
  depth: number,
  run: (operands: readonly Float32Array[]) => Promise<Float32Array[]>,
  force = () => device.tuner.force('*', rung),
): Promise<void> {
  device.tuner.force('*', 'naive');
  setFloat32MatmulPrecision('highest');
  const expected = await run(operands.map(roundedToHalves));
  force();
  setFloat32MatmulPrecision('medium');
  const used = await variantsOf(async () => {
    const found = await run(operands);
    for (const [i, values] of expected.entries()) {
      expectClose(found[i], values, { atol: 2e-6 + depth * 2 ** -24, label: `${rung}, result ${i}` });
    }
  });
  expect(used).toContain(rung);
}

/** The variants of matmul and the convolutions that `work` ran. */
async function variantsOf(work: () => Promise<void>): Promise<string[]> {
  const entries = await device.profile(work);
  return entries.filter(({ kernel }) => /matmul|conv/.test(kernel)).map(({ variant }) => variant);
}

/** Skips what needs matrix units where there are none, or nobody asked for them. */
const skipWithoutUnits = (rung: string): void => {
  beforeEach((context) => {
    if (rung === 'matrix-half' && !device.traits.subgroupMatrix)
      context.skip('needs an adapter with subgroup matrices, and SUBGROUP_MATRIX=1');
  });
};

describe.each(halfRungs(matmulKernel as unknown as Kernel))('matmul/%s', (rung) => {
  skipWithoutUnits(rung);
  it.each([
    [32, 32, 32],
    [64, 96, 20],
    [7, 33, 9],
    [70, 4, 64],
    [45, 130, 131],
  ])('%i × %i × %i, plain and transposed', async (m, n, k) => {
    const operands = [samples(m * k, 1), samples(k * n, 2), samples(m * n, 3)].map((v) => Float32Array.from(v));
    await compare(rung, operands, m + n + k, async ([a, b, g]) => {
      const left = tensor(a, [m, k], { requiresGrad: true });
      const right = tensor(b, [k, n], { requiresGrad: true });
      const out = matmul(left, right);
      backward(out, tensor(g, [m, n]));
      return Promise.all([out, left.grad as Tensor, right.grad as Tensor].map((t) => t.floats()));
    });
  });
  it('batches, own and shared', async () => {
    for (const [a, b] of [
      [
        [3, 9, 8],
        [3, 8, 12],
      ],
      [
        [2, 3, 6, 5],
        [3, 5, 7],
      ],
      [
        [2, 1, 6, 8],
        [3, 8, 4],
      ],
    ]) {
      const operands = [samples(count(a), 1), samples(count(b), 2)].map((v) => Float32Array.from(v));
      await compare(rung, operands, 16, async ([x, y]) => [await matmul(tensor(x, a), tensor(y, b)).floats()]);
    }
  });
  it('bias and activation', async () => {
    const operands = [samples(40 * 24, 1), samples(24 * 18, 2)].map((v) => Float32Array.from(v));
    const bias = tensor(samples(18, 3), [18]);
    for (const activation of ['relu', 'tanh'] as const) {
      await compare(rung, operands, 24, async ([x, w]) => [
        await linear(tensor(x, [40, 24]), tensor(w, [24, 18]), bias, { activation }).floats(),
      ]);
    }
  });
});

interface Case {
  readonly name: string;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly options?: Conv2dOptions;
  readonly transposed?: boolean;
}

const cases: readonly Case[] = [
  { name: 'multiples of the tile', x: [2, 8, 8, 32], w: [3, 3, 32, 64], options: { padding: 1 } },
  { name: 'first layer', x: [2, 9, 7, 3], w: [3, 3, 3, 20], options: { padding: 1 } },
  { name: 'odd channels', x: [1, 6, 5, 7], w: [3, 3, 7, 9] },
  { name: 'stride [3, 1]', x: [2, 9, 8, 4], w: [2, 3, 4, 6], options: { stride: [3, 1], padding: [0, 2] } },
  { name: '4 × 4, stride 2', x: [1, 10, 10, 6], w: [4, 4, 6, 8], options: { stride: 2, padding: 1 } },
  { name: '1 × 1', x: [2, 5, 4, 16], w: [1, 1, 16, 12] },
  { name: 'dilated', x: [1, 9, 9, 4], w: [3, 3, 4, 40], options: { padding: 2, dilation: 2 } },
  { name: 'groups of fours', x: [2, 5, 6, 24], w: [3, 3, 12, 40], options: { padding: 1, groups: 2 } },
  { name: 'many positions', x: [4, 40, 40, 4], w: [3, 3, 4, 8], options: { padding: 1 } },
  { name: 'transposed', x: [2, 5, 4, 16], w: [3, 3, 8, 16], options: { stride: 2, padding: 1 }, transposed: true },
];

describe.each(
  halfRungs(...([conv2dKernel, conv2dInputGradientKernel, conv2dWeightGradientKernel] as unknown as Kernel[])),
)('conv2d and its gradients/%s', (rung) => {
  skipWithoutUnits(rung);
  it.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    const op = one.transposed ? convTranspose2d : conv2d;
    const shape = op(
      tensor(samples(count(one.x), 1), one.x),
      tensor(samples(count(one.w), 2), one.w),
      undefined,
      one.options,
    ).shape;
    const operands = [samples(count(one.x), 1), samples(count(one.w), 2), samples(count(shape), 3)];
    const depth = Math.max(count(one.x.slice(0, 3)), one.w[0] * one.w[1] * Math.max(one.w[2], one.w[3]));
    await compare(
      rung,
      operands.map((v) => Float32Array.from(v)),
      depth,
      async ([a, b, g]) => {
        const x = tensor(a, one.x, { requiresGrad: true });
        const w = tensor(b, one.w, { requiresGrad: true });
        const y = op(x, w, undefined, one.options);
        backward(y, tensor(g, y.shape));
        return Promise.all([y, x.grad as Tensor, w.grad as Tensor].map((t) => t.floats()));
      },
    );
  });
});

describe.each(tiledKinds.filter(({ half }) => half))('$name', ({ name: rung, among }) => {
  skipWithoutUnits(rung);
  const kernels = [matmulKernel, conv2dKernel, conv2dInputGradientKernel, conv2dWeightGradientKernel];
  const force = (variant?: string, tile?: Constants) => {
    for (const { name } of kernels) device.tuner.force(name, variant, tile);
  };
  afterEach(() => force());

  /** As `compare`, in each of these tiles; where the untuned choice is another, nothing else would run them. */
  async function inTiles(
    tiles: readonly Constants[],
    operands: readonly Float32Array[],
    depth: number,
    run: (operands: readonly Float32Array[]) => Promise<Float32Array[]>,
  ): Promise<void> {
    expect(tiles.length).toBeGreaterThan(1);
    for (const tile of tiles) {
      await compare(rung, operands, depth, run, () => force(rung, tile));
      force();
    }
  }

  const tilesHere = (): readonly Constants[] => among(blockTiles(200, 200, 1, device.traits, 0, 2), device.traits);
  const floats = (...sizes: readonly number[]): Float32Array[] =>
    sizes.map((size, i) => Float32Array.from(samples(size, i + 1)));

  it.each([
    [137, 141, 37],
    [20, 24, 2100], // k in parts
  ])('%i × %i × %i in every tile, with bias and activation', async (m, n, k) => {
    const bias = tensor(samples(n, 3), [n]);
    await inTiles(tilesHere(), floats(m * k, k * n), k, async ([a, b]) => [
      await linear(tensor(a, [m, k]), tensor(b, [k, n]), bias, { activation: 'leakyRelu' }).floats(),
    ]);
  });

  it.each([
    ['groups and stride', [2, 9, 8, 24], [3, 3, 12, 40], { groups: 2, stride: 2, padding: 1 }],
    ['k in parts', [1, 5, 6, 132], [3, 3, 132, 9], { padding: 1 }],
  ] as const)(
    'convolution and its gradients in other tiles, with bias and activation: %s',
    async (_name, xs, ws, options) => {
      const bias = tensor(samples(ws[3], 4), [ws[3]]);
      const { shape } = conv2d(
        tensor(samples(count(xs), 1), xs),
        tensor(samples(count(ws), 2), ws),
        undefined,
        options,
      );
      const operands = floats(count(xs), count(ws), count(shape));
      const tiles = tilesHere().filter(({ bm, bn, micro }) => (bm === 64 && bn === 64 && micro === 8) || bm === 32);
      await inTiles(tiles, operands, 9 * xs[3], async ([a, b, g]) => {
        const x = tensor(a, xs, { requiresGrad: true });
        const w = tensor(b, ws, { requiresGrad: true });
        const clipped = conv2d(tensor(a, xs), tensor(b, ws), bias, { ...options, activation: 'relu' });
        const y = conv2d(x, w, undefined, options);
        backward(y, tensor(g, y.shape));
        return Promise.all([clipped, y, x.grad as Tensor, w.grad as Tensor].map((t) => t.floats()));
      });
    },
  );
});
