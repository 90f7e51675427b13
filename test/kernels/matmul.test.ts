import { afterAll, describe, expect, it } from 'vitest';
import { type Device, linear, matmul, openDevice, type Tensor, tensor } from '../../engine/node.ts';
import { runMatmul } from '../../engine/ops/matmul.ts';
import { Tensor as T } from '../../engine/tensor.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { matmulKernel } from '../../kernels/matmul/matmul.ts';
import { blockTiles } from '../../kernels/matmul/tiled.ts';
import { expectClose } from '../expect-close.ts';
import { samples } from '../gradcheck.ts';

const device: Device = await openDevice();
afterAll(() => device.close());

const make = (shape: number[], seed: number): Tensor =>
  tensor(
    samples(
      shape.reduce((a, b) => a * b),
      seed,
    ),
    shape,
  );

/** Runs under every rung and compares each with the naive one, which is compared with PyTorch elsewhere. */
async function everyVariant(kernel: string, names: readonly string[], run: () => Tensor, depth: number): Promise<void> {
  device.tuner.force(kernel, 'naive');
  const expected = await run().floats();
  for (const name of names) {
    device.tuner.force(kernel, name);
    expectClose(await run().floats(), expected, { atol: 1e-6 + depth * 2 ** -24, label: name });
  }
  device.tuner.force(kernel, undefined);
}

const shape = { batch: 1, m: 64, n: 64, k: 64, transposeLeft: 0, transposeRight: 0, activation: 0, slope: 1, half: 0 };
const shared = { inner: 1, leftOuter: 0, leftInner: 0, rightOuter: 0, rightInner: 0 };
// What runs on this adapter. Those that round to halves have a test of their own.
const variants = device.tuner
  .supported(matmulKernel as unknown as Kernel, { ...shape, ...shared })
  .map(({ name }) => name)
  .filter((name) => name !== 'naive');

describe('every variant of matmul against the naive one', () => {
  it('means those of this family', () => {
    expect(variants).toContain('tiled');
    const lanes = device.traits.family === 'lanes';
    for (const name of ['lanes', 'packed']) expect(variants.includes(name)).toBe(lanes);
  });
  const shapes = [
    [32, 32, 32],
    [64, 96, 20],
    [1, 5, 3],
    [7, 33, 9],
    [40, 37, 50],
    [70, 4, 64],
    [12, 130, 131],
  ];
  it.each(shapes)('%i × %i × %i, plain and transposed', async (m, n, k) => {
    for (const [tl, tr] of [
      [false, false],
      [false, true],
      [true, false],
    ]) {
      const left = make(tl ? [k, m] : [m, k], 1);
      const right = make(tr ? [n, k] : [k, n], 2);
      const run = (): Tensor => {
        const out = T.empty([m, n]);
        runMatmul(left, right, out, tl, tr);
        return out;
      };
      await everyVariant('matmul', variants, run, k);
    }
  });
  it('large tiles and split k, with bias', async () => {
    const [x, w, b] = [make([130, 1100], 1), make([1100, 140], 2), make([140], 3)];
    const run = (): Promise<Float32Array> => linear(x, w, b, { activation: 'leakyRelu' }).floats();
    device.tuner.force('matmul', 'naive');
    const expected = await run();
    for (const tile of blockTiles(130, 140, 1, device.traits)) {
      device.tuner.force('matmul', 'tiled', tile);
      expectClose(await run(), expected, { atol: 1100 * 2 ** -24, label: `tiled ${JSON.stringify(tile)}` });
    }
    device.tuner.force('matmul', undefined);
  });
  it('k split into more parts than one pass adds up', async () => {
    const [a, b] = [make([5, 20_000], 1), make([20_000, 6], 2)];
    // The naive sum of 20 000 in a row is the less exact one.
    await everyVariant('matmul', ['tiled'], () => matmul(a, b), 8000);
  });
  it('batches, own and shared', async () => {
    for (const [a, b] of [
      [
        [3, 9, 8],
        [3, 8, 12],
      ],
      [
        [2, 1, 6, 5],
        [3, 5, 7],
      ],
      [
        [6, 5],
        [4, 5, 3],
      ],
    ]) {
      await everyVariant('matmul', variants, () => matmul(make(a, 1), make(b, 2)), 8);
    }
  });
  it.each(['relu', 'leakyRelu', 'tanh', 'sigmoid'] as const)('bias and %s', async (activation) => {
    const [x, w, b] = [make([19, 24], 1), make([24, 37], 2), make([37], 3)];
    await everyVariant('matmul', variants, () => linear(x, w, b, { activation, negativeSlope: 0.2 }), 24);
  });
  it('reaches past the first step of k with the right values (control: a wrong operand is noticed)', async () => {
    device.tuner.force('matmul', variants[0]);
    const [a, b] = [make([8, 64], 1), make([64, 32], 2)];
    const right = await matmul(a, b).floats();
    b.write(samples(64 * 32, 2).fill(0, 63 * 32));
    const wrong = await matmul(a, b).floats();
    device.tuner.force('matmul', undefined);
    expect(() => expectClose(wrong, right, { atol: 1e-5 })).toThrow(/outside/);
  });
});
