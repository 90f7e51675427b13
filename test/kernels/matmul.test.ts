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
const lanes = device.traits.family === 'lanes';

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
/** What runs on this adapter. Those that round to halves have a test of their own. */
const variantsFor = (sizes: Partial<typeof shape> = {}): string[] =>
  device.tuner
    .supported(matmulKernel as unknown as Kernel, { ...shape, ...shared, ...sizes })
    .map(({ name }) => name)
    .filter((name) => name !== 'naive');
const variants = variantsFor();

describe('every variant of matmul against the naive one', () => {
  it('means those of this family', () => {
    expect(variants).toContain('tiled');
    for (const name of ['lanes', 'packed']) expect(variants.includes(name)).toBe(lanes);
    expect(variantsFor({ n: 10 }).includes('thin')).toBe(lanes);
    expect(variants).not.toContain('thin');
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
      const names = variantsFor({ m, n, k, transposeLeft: Number(tl), transposeRight: Number(tr) });
      await everyVariant('matmul', names, run, k);
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
  it.each(['relu', 'leakyRelu', 'tanh'] as const)('bias and %s where a side is small', async (activation) => {
    for (const [m, n, k] of [
      [19, 10, 44],
      [19, 7, 37],
      [21, 36, 5],
      [21, 37, 3],
    ]) {
      const [x, w, b] = [make([m, k], 1), make([k, n], 2), make([n], 3)];
      const run = (): Tensor => linear(x, w, b, { activation, negativeSlope: 0.2 });
      await everyVariant('matmul', variantsFor({ m, n, k }), run, k);
    }
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

describe.skipIf(!lanes)('thin, a side of at most 16', () => {
  const forms = [
    [false, false],
    [false, true],
    [true, false],
  ] as const;
  const operands = (m: number, n: number, k: number, tl: boolean, tr: boolean): [Tensor, Tensor] => [
    make(tl ? [k, m] : [m, k], 1),
    make(tr ? [n, k] : [k, n], 2),
  ];
  const product = (left: Tensor, right: Tensor, m: number, n: number, tl: boolean, tr: boolean): Tensor => {
    const out = T.empty([m, n]);
    runMatmul(left, right, out, tl, tr, { bias: make([n], 3) });
    return out;
  };
  const few = [1, 3, 10, 16];
  it.each(few)('%i, whole vec4 and odd lines, with bias', async (few) => {
    for (const [m, n, k] of [
      [33, few, 44],
      [40, few, 61],
      [37, 68, few],
      [34, 70, few],
      [72, few, 13],
      [67, few, 30],
      [few, 69, 19],
      [few, 36, 64],
    ]) {
      for (const [tl, tr] of forms) {
        const names = variantsFor({ m, n, k, transposeLeft: Number(tl), transposeRight: Number(tr) });
        if (!names.includes('thin')) continue;
        const [left, right] = operands(m, n, k, tl, tr);
        await everyVariant('matmul', ['thin'], () => product(left, right, m, n, tl, tr), k);
      }
    }
  });
  it.each([8, 16, 32])('%i rows of a workgroup, several walks of k, the same bits again', async (rows) => {
    const [m, n] = [45, 10];
    for (const k of [1024, 2060, 1035]) {
      for (const tr of [false, true]) {
        const [left, right] = operands(m, n, k, false, tr);
        device.tuner.force('matmul', 'naive');
        const expected = await product(left, right, m, n, false, tr).floats();
        device.tuner.force('matmul', 'thin', { rows });
        const found = await product(left, right, m, n, false, tr).floats();
        expectClose(found, expected, { atol: k * 2 ** -24, label: `${k} deep` });
        expect(await product(left, right, m, n, false, tr).floats()).toEqual(found);
      }
    }
    device.tuner.force('matmul', undefined);
  });
  it('sums of 2¹⁴ tenths in short walks, over features and over a batch (control: in one they are off)', async () => {
    const k = 2 ** 14;
    const values = (size: number, value: number, shape: number[]): Tensor =>
      tensor(new Float32Array(size).fill(value), shape);
    const expected = new Float64Array(12).fill(Math.fround(0.1) * k);
    for (const transposed of [false, true]) {
      const left = values(4 * k, 0.1, transposed ? [k, 4] : [4, k]);
      const right = values(3 * k, 1, [k, 3]);
      const run = (): Promise<Float32Array> => {
        const out = T.empty([4, 3]);
        runMatmul(left, right, out, transposed, false);
        return out.floats();
      };
      device.tuner.force('matmul', 'thin');
      expectClose(await run(), expected, { atol: 0, rtol: 4e-6, label: 'thin' });
      device.tuner.force('matmul', 'naive');
      const naive = await run();
      expect(() => expectClose(naive, expected, { atol: 0, rtol: 2e-5 })).toThrow(/outside/);
    }
    device.tuner.force('matmul', undefined);
  });
  it('NaN and infinity reach their own sums and no others', async () => {
    for (const [m, n, k] of [
      [21, 10, 44],
      [21, 10, 45],
      [21, 36, 5],
      [21, 37, 6],
      [10, 36, 21],
      [37, 10, 22],
    ]) {
      for (const [tl, tr] of forms) {
        const names = variantsFor({ m, n, k, transposeLeft: Number(tl), transposeRight: Number(tr) });
        if (!names.includes('thin')) continue;
        const [left, right] = (
          [
            [m * k, 1, tl ? [k, m] : [m, k]],
            [k * n, 2, tr ? [n, k] : [k, n]],
          ] as const
        ).map(([size, seed, shape]) => {
          const values = samples(size, seed);
          // The last number is what a load past the end would find in its place.
          values[size - 1] = Number.POSITIVE_INFINITY;
          values[size >> 1] = Number.NaN;
          return tensor(values, [...shape]);
        });
        const classes = async (variant: string): Promise<string[]> => {
          device.tuner.force('matmul', variant);
          const found = await product(left, right, m, n, tl, tr).floats();
          return Array.from(found, (x) => (Number.isFinite(x) ? 'finite' : String(x)));
        };
        const expected = await classes('naive');
        expect(expected).toContain('finite');
        expect(expected).toContain('NaN');
        expect(await classes('thin'), `${m} × ${n}, ${k} deep, ${tl} ${tr}`).toEqual(expected);
      }
    }
    device.tuner.force('matmul', undefined);
  });
  it('is the untuned choice where a side is small and no other way', () => {
    const untuned = (sizes: Partial<typeof shape & typeof shared>): string =>
      device.tuner.rungs(matmulKernel as unknown as Kernel, { ...shape, ...shared, ...sizes }).untuned.variant.name;
    expect(untuned({ m: 64, n: 10, k: 1568 })).toBe('thin');
    expect(untuned({ m: 1568, n: 10, k: 64, transposeLeft: 1 })).toBe('thin');
    expect(untuned({ m: 64, n: 1568, k: 10, transposeRight: 1 })).toBe('thin');
    expect(untuned({ m: 64, n: 17, k: 1568 })).toBe('lanes');
    expect(untuned({ batch: 2, n: 10, leftInner: 1, rightInner: 1 })).toBe('lanes');
  });
});
