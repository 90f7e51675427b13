import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as k from '../../engine/node.ts';
import { reduceKernel } from '../../kernels/reduce/reduce.ts';
import { gradCheck, input } from '../gradcheck.ts';
import { type Checked, checkAgainstReference } from './reference-check.ts';

let device: k.Device;
beforeAll(async () => {
  device = await k.openDevice();
});
afterAll(() => device.close());

type Dims = number[] | undefined;
const binary = (op: (a: k.Tensor, b: k.Tensor) => k.Tensor): Checked => ({
  run: ({ a, b }) => op(a, b ?? a),
});
const unary = (op: (x: k.Tensor) => k.Tensor): Checked => ({ run: ({ x }) => op(x) });
const reduction = (op: (x: k.Tensor, dim?: number[], keepdim?: boolean) => k.Tensor): Checked => ({
  run: ({ x }, { dim, keepdim }) => op(x, (dim as number[] | null) ?? undefined, keepdim as boolean),
  // A sum of n unit normals carries a rounding error of up to n · 2⁻²⁴.
  tolerance: (one) => ({ atol: 1e-5 + (one.inputs.get('x')?.data.length ?? 0) * 2 ** -24 }),
});

checkAgainstReference('pointwise', {
  add: binary(k.add),
  sub: binary(k.sub),
  mul: binary(k.mul),
  div: binary(k.div),
  maximum: binary(k.maximum),
  minimum: binary(k.minimum),
  pow: { run: ({ x }, { exponent }) => k.pow(x, exponent as number) },
  relu: unary(k.relu),
  leakyRelu: { run: ({ x }, { negativeSlope }) => k.leakyRelu(x, negativeSlope as number) },
  tanh: unary(k.tanh),
  sigmoid: unary(k.sigmoid),
  exp: unary(k.exp),
  log: unary(k.log),
  sqrt: unary(k.sqrt),
  abs: unary(k.abs),
  neg: unary(k.neg),
  square: unary(k.square),
  clamp: { run: ({ x }, { min, max }) => k.clamp(x, min as number, max as number) },
  sum: reduction(k.sum),
  mean: reduction(k.mean),
  amax: reduction(k.amax),
  amin: reduction(k.amin),
  maxPool2d: { run: ({ x }, attributes) => k.maxPool2d(x, attributes as unknown as k.MaxPoolOptions) },
  avgPool2d: { run: ({ x }, attributes) => k.avgPool2d(x, attributes as unknown as k.PoolOptions) },
  globalAvgPool2d: unary(k.globalAvgPool2d),
  reshape: { run: ({ x }, { shape }) => k.reshape(x, shape as number[]) },
  permute: { run: ({ x }, { dims }) => k.permute(x, dims as number[]) },
  slice: { run: ({ x }, { dim, start, end }) => k.slice(x, dim as number, start as number, end as number) },
  cat: { run: ({ a, b }, { dim }) => k.cat([a, b], dim as number) },
  softmax: unary(k.softmax),
  logSoftmax: unary(k.logSoftmax),
  crossEntropy: {
    run: ({ x, target }, options) => k.crossEntropy(x, target, options as k.CrossEntropyOptions),
    labels: ['target'],
  },
  l1Loss: { run: ({ x, target }, options) => k.l1Loss(x, target, options as k.DifferenceLossOptions) },
  mseLoss: { run: ({ x, target }, options) => k.mseLoss(x, target, options as k.DifferenceLossOptions) },
  seBlock: {
    run: ({ x, weight1, weight2, ...biases }) => k.seBlock(x, weight1, weight2, biases),
    transposed: ['weight1', 'weight2'],
  },
});

describe('pointwise gradients by central differences', () => {
  const map = (f: (v: number) => number) => (x: Float64Array) => x.map(f);
  const positive = (shape: number[]) => ({ shape, data: input(shape).data.map((v) => v + 1.5) });

  it('of functions of one number', async () => {
    const x = input([3, 7]);
    const cases: [(x: k.Tensor) => k.Tensor, (v: number) => number, typeof x][] = [
      [k.tanh, Math.tanh, x],
      [k.sigmoid, (v) => 1 / (1 + Math.exp(-v)), x],
      [k.exp, Math.exp, x],
      [k.log, Math.log, positive([3, 7])],
      [k.sqrt, Math.sqrt, positive([3, 7])],
      [k.square, (v) => v * v, x],
      [k.relu, (v) => Math.max(v, 0), x],
      [k.abs, Math.abs, x],
      [(t) => k.leakyRelu(t, 0.2), (v) => (v > 0 ? v : 0.2 * v), x],
      [(t) => k.clamp(t, -0.5, 0.4), (v) => Math.min(Math.max(v, -0.5), 0.4), x],
      [(t) => k.pow(t, 1.7), (v) => v ** 1.7, positive([3, 7])],
      [(t) => k.pow(t, -3), (v) => v ** -3, positive([3, 7])],
      [(t) => k.affine(t, 3, 2), (v) => 3 * v + 2, x],
      [(t) => k.sub(2, t), (v) => 2 - v, x],
      [(t) => k.div(t, 3), (v) => v / 3, x],
      [(t) => k.div(3, t), (v) => 3 / v, positive([3, 7])],
    ];
    for (const [op, f, of] of cases) await gradCheck({ op, truth: map(f), inputs: [of] });
  });

  it('of broadcast arithmetic', async () => {
    const b = { shape: [5, 1], data: input([5, 1], 3).data.map((v) => v + 2) };
    const at = (f: (a: number, b: number) => number) => (a: Float64Array, c: Float64Array) =>
      Float64Array.from({ length: 40 }, (_, i) => f(a[Math.floor(i / 20) * 4 + (i % 4)], c[Math.floor(i / 4) % 5]));
    const cases: [typeof k.add, (a: number, b: number) => number][] = [
      [k.add, (x, y) => x + y],
      [k.sub, (x, y) => x - y],
      [k.mul, (x, y) => x * y],
      [k.div, (x, y) => x / y],
      [k.maximum, Math.max],
      [k.minimum, Math.min],
    ] as [typeof k.add, (a: number, b: number) => number][];
    const a = input([2, 1, 4]);
    for (const [op, f] of cases)
      await gradCheck({ op, truth: at(f), inputs: [a, op === k.div ? b : input([5, 1], 3)] });
  });

  it('of reductions', async () => {
    const x = input([3, 4, 5]);
    const over = (dims: Dims, f: (values: number[]) => number) => (data: Float64Array) => {
      const groups = new Map<number, number[]>();
      data.forEach((v, i) => {
        const index = [Math.floor(i / 20), Math.floor(i / 5) % 4, i % 5];
        const key = index.reduce((n, at, d) => (dims?.includes(d) ? n : n * 10 + at), 0);
        groups.set(key, [...(groups.get(key) ?? []), v]);
      });
      return [...groups.values()].map(f);
    };
    const total = (v: number[]) => v.reduce((a, b) => a + b, 0);
    for (const dims of [[0], [1], [2], [0, 2], [1, 2]]) {
      await gradCheck({ op: (t) => k.sum(t, dims), truth: over(dims, total), inputs: [x] });
      await gradCheck({ op: (t) => k.mean(t, dims), truth: over(dims, (v) => total(v) / v.length), inputs: [x] });
      await gradCheck({ op: (t) => k.amax(t, dims), truth: over(dims, (v) => Math.max(...v)), inputs: [x] });
      await gradCheck({ op: (t) => k.amin(t, dims), truth: over(dims, (v) => Math.min(...v)), inputs: [x] });
    }
  });
});

describe('reductions of nothing', () => {
  it('are 0 and NaN, whatever stood in the memory before', async () => {
    const before = k.fill([64], 7);
    await before.floats();
    before.dispose();
    expect([...(await k.sum(k.zeros([0])).floats())]).toEqual([0]);
    expect([...(await k.sum(k.zeros([3, 0]), 1).floats())]).toEqual([0, 0, 0]);
    expect([...(await k.mean(k.zeros([0, 2]), 0, true).floats())]).toEqual([Number.NaN, Number.NaN]);
  });
});

it('adds up 2^25 numbers in steps that keep rounding small, in every variant', async () => {
  const ones = k.ones([2 ** 25]);
  const tenths = k.fill([2 ** 25], 0.1);
  // The naive one adds 2^25 numbers one after the other, and shows what for the others are there.
  for (const { name } of reduceKernel.variants.filter(({ name }) => name.startsWith('split') || name === 'tree')) {
    device.tuner.force('reduce', name);
    expect(await k.sum(ones).item(), name).toBe(2 ** 25);
    expect(Math.abs((await k.mean(tenths).item()) - 0.1), name).toBeLessThan(1e-6);
  }
  device.tuner.force('reduce', undefined);
});

describe('NaN', () => {
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

  it('passes through what compares: relu, clamp, maximum, minimum', async () => {
    const x = k.tensor([nan, inf, -inf, 2, -1]);
    const zero = k.zeros([5]);
    const expected: [k.Tensor, number[]][] = [
      [k.relu(x), [nan, inf, 0, 2, 0]],
      [k.clamp(x, -2, 1), [nan, 1, -2, 1, -1]],
      [k.maximum(x, zero), [nan, inf, 0, 2, 0]],
      [k.maximum(zero, x), [nan, inf, 0, 2, 0]],
      [k.maximum(k.tensor(0), x), [nan, inf, 0, 2, 0]],
      [k.minimum(x, zero), [nan, 0, -inf, 0, -1]],
      [k.minimum(zero, x), [nan, 0, -inf, 0, -1]],
    ];
    for (const [y, values] of expected) expect([...(await y.data())]).toEqual(values);
  });

  it('is the largest and the smallest of a row, wherever it stands, in every variant', async () => {
    for (const { name } of reduceKernel.variants) {
      device.tuner.force('*', name);
      for (const length of [3, 4, 300, 1024]) {
        for (const at of [0, 1, length - 1]) {
          const numbers = Float32Array.from({ length: 2 * length }, (_, i) => (i === at ? nan : Math.cos(i)));
          const x = k.tensor(numbers, [2, length]);
          for (const reduce of [k.amax, k.amin]) {
            const [first, second] = await reduce(x, 1).data();
            expect([Number.isNaN(first), Number.isNaN(second)], `${name}, ${at} of ${length}`).toEqual([true, false]);
            expect(await reduce(x, 0).data()).toSatisfy((y: Float32Array) =>
              y.every((v, i) => Number.isNaN(v) === (i === at)),
            );
          }
        }
      }
    }
    device.tuner.force('*', undefined);
  });
});

it('gives x to the power 0 the gradient 0, also at 0', async () => {
  const x = k.tensor([0, 2, -1], undefined, { requiresGrad: true });
  k.backward(k.sum(k.pow(x, 0)));
  expect([...((await x.grad?.data()) ?? [])].map(Math.abs)).toEqual([0, 0, 0]);
});

describe('bad input', () => {
  it('is named', () => {
    const x = k.zeros([2, 3]);
    expect(() => k.mul(x, k.zeros([2, 4]))).toThrow(/mul: \[2, 3\] and \[2, 4\] do not fit/);
    expect(() => k.sum(x, 2)).toThrow(/sum: dimension 2 of a tensor with 2/);
    expect(() => k.clamp(x, 1, 0)).toThrow(/min 1 is not at most max 0/);
    expect(() => k.leakyRelu(x, 0)).toThrow(/negativeSlope is 0/);
  });

  it('is named where an extreme has nothing to choose from', () => {
    const empty = k.zeros([0, 3]);
    expect(() => k.amax(empty, 0)).toThrow(/amax: \[0, 3\] has nothing to choose from/);
    expect(() => k.amin(empty)).toThrow(/amin: \[0, 3\] has nothing to choose from/);
    expect(k.amax(empty, 1).shape).toEqual([0]);
  });

  it('is named where its bits would pass for f32', () => {
    const [x, bytes, words] = [k.zeros([1, 2, 2, 1]), k.tensor(new Uint8Array(4)), k.tensor(new Int32Array(4))];
    const [picture, matrix] = [k.reshape(bytes, [1, 2, 2, 1]), k.reshape(words, [2, 2])];
    expect(() => k.relu(bytes)).toThrow(/relu: its input tensor \[4\] is u8/);
    expect(() => k.add(x, words)).toThrow(/add: its input tensor \[4\] is i32/);
    expect(() => k.sum(words)).toThrow(/sum: its input tensor \[4\] is i32/);
    expect(() => k.mean(bytes)).toThrow(/mean: its input tensor \[4\] is u8/);
    expect(() => k.matmul(matrix, k.zeros([2, 2]))).toThrow(/matmul: .* is i32/);
    expect(() => k.conv2d(picture, k.zeros([1, 1, 1, 1]))).toThrow(/conv2d: .* is u8/);
    expect(() => k.maxPool2d(picture, { kernelSize: 2 })).toThrow(/maxPool2d: .* is u8/);
    expect(() => k.batchNorm(matrix)).toThrow(/norm: .* is i32/);
    expect(() => k.copyInto(words, words.detach())).toThrow(/copyInto: its target is i32/);
    expect(() => k.addInto(k.zeros([4]), words)).toThrow(/addInto: its source is i32/);
    expect(() => k.fillInto(words, 1)).toThrow(/fillInto: its tensor is i32/);
    expect(() => k.distanceLoss(matrix, k.zeros([2]), k.zeros([3, 2]))).toThrow(/distanceLoss: its features is i32/);
  });
});
