import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as k from '../../engine/node.ts';
import { maxPoolKernel } from '../../kernels/pool/pool.ts';
import { expectClose } from '../expect-close.ts';
import { gradCheck, input, samples } from '../gradcheck.ts';

let device: k.Device;
beforeAll(async () => {
  device = await k.openDevice();
});
afterAll(() => device.close());

/** f over the windows of x [n, h, w, c]; `spans` gives the rows (or columns) of window o. */
const windows =
  (
    [n, h, w, c]: readonly number[],
    [oh, ow]: readonly [number, number],
    spans: (o: number, size: number, out: number) => readonly [number, number],
    f: (values: number[]) => number,
  ) =>
  (x: Float64Array): number[] => {
    const out: number[] = [];
    for (let b = 0; b < n; b++)
      for (let i = 0; i < oh; i++)
        for (let j = 0; j < ow; j++)
          for (let ch = 0; ch < c; ch++) {
            const values: number[] = [];
            const [y0, y1] = spans(i, h, oh);
            const [x0, x1] = spans(j, w, ow);
            for (let y = Math.max(y0, 0); y < Math.min(y1, h); y++)
              for (let z = Math.max(x0, 0); z < Math.min(x1, w); z++) values.push(x[((b * h + y) * w + z) * c + ch]);
            out.push(f(values));
          }
    return out;
  };
const average = (v: number[]) => v.reduce((a, b) => a + b, 0) / v.length;

describe('max pooling with an activation', () => {
  const passes = async (run: (x: k.Tensor) => k.Tensor, channels: number) => {
    const x = k.tensor(samples(2 * 9 * 10 * channels), [2, 9, 10, channels], { requiresGrad: true });
    const y = run(x);
    k.backward(y, k.tensor(samples(y.size, 4), y.shape));
    return [await y.floats(), await (x.grad as k.Tensor).floats()];
  };

  it.each([
    ['relu', 4],
    ['relu', 3],
    ['leakyRelu', 8],
  ] as const)('%s, %i channels: what it gives before the pooling', async (activation, channels) => {
    const before = (x: k.Tensor) => (activation === 'relu' ? k.relu(x) : k.leakyRelu(x, 0.2));
    const options = { activation, negativeSlope: 0.2 };
    for (const window of [
      { kernelSize: 2 },
      { kernelSize: 3, stride: 2, padding: 1 },
      { kernelSize: 2, ceilMode: true },
    ]) {
      const fused = await passes((x) => k.maxPool2d(x, { ...window, ...options }), channels);
      const apart = await passes((x) => k.maxPool2d(before(x), window), channels);
      for (const [i, values] of apart.entries()) expectClose(fused[i], values, { atol: 0, rtol: 0, label: `${i}` });
    }
  });

  it('gives NaN where a window holds one, and NaN its gradient, in every variant', async () => {
    for (const { name } of maxPoolKernel.variants) {
      device.tuner.force('*', name);
      for (const channels of [1, 4]) {
        for (const at of [0, 1, 4, 5]) {
          const numbers = Float32Array.from({ length: 16 * channels }, (_, i) => Math.cos(i));
          numbers[at * channels] = Number.NaN;
          const x = k.tensor(numbers, [1, 4, 4, channels], { requiresGrad: true });
          const y = k.maxPool2d(x, { kernelSize: 2 });
          const places = [...(await y.floats()).entries()].filter(([, v]) => Number.isNaN(v)).map(([i]) => i);
          expect(places, `${name}, ${at}`).toEqual([0]);
          k.backward(y, k.ones(y.shape));
          expect((await x.grad?.floats())?.[at * channels]).toBe(1);
          const rectified = await k.maxPool2d(x, { kernelSize: 2, activation: 'relu' }).floats();
          expect([...rectified.keys()].filter((i) => Number.isNaN(rectified[i]))).toEqual([0]);
        }
      }
    }
    device.tuner.force('*', undefined);
  });

  it('refuses an activation that it does not know, and a slope that turns the order round', () => {
    const x = k.tensor(samples(16), [1, 4, 4, 1]);
    expect(() => k.maxPool2d(x, { kernelSize: 2, activation: 'swish' as 'relu' })).toThrow(/swish/);
    expect(() => k.maxPool2d(x, { kernelSize: 2, activation: 'tanh' as 'relu' })).toThrow(/tanh/);
    expect(() => k.maxPool2d(x, { kernelSize: 2, activation: 'leakyRelu', negativeSlope: -1 })).toThrow(
      /negativeSlope/,
    );
  });
});

describe('a convolution with the pooling after it', () => {
  it.each(['relu', 'leakyRelu', 'tanh', 'none'] as const)('%s: the same as one after the other', async (activation) => {
    const conv = new k.Conv2d(4, 8, 3, { padding: 1, activation, generator: new k.Generator(2) });
    const found: Float32Array[][] = [];
    for (const run of [
      (x: k.Tensor) => conv.forwardMaxPool(x, 2),
      (x: k.Tensor) => k.maxPool2d(conv.forward(x), { kernelSize: 2 }),
    ]) {
      const x = k.tensor(samples(2 * 7 * 8 * 4), [2, 7, 8, 4], { requiresGrad: true });
      const y = run(x);
      k.backward(y, k.tensor(samples(y.size, 4), y.shape));
      found.push(await Promise.all([y, x.grad, conv.weight.grad].map((t) => (t as k.Tensor).floats())));
      conv.weight.grad = undefined;
    }
    for (const [i, values] of found[1].entries()) expectClose(found[0][i], values, { atol: 0, rtol: 0, label: `${i}` });
  });
});

describe('pooling gradients by central differences', () => {
  it('of maximum windows, overlapping and padded, odd and even channels', async () => {
    for (const channels of [3, 4]) {
      const shape = [2, 5, 6, channels];
      await gradCheck({
        op: (x) => k.maxPool2d(x, { kernelSize: 3, stride: 2, padding: 1 }),
        truth: windows(
          shape,
          [3, 3],
          (o) => [2 * o - 1, 2 * o + 2],
          (v) => Math.max(...v),
        ),
        inputs: [input(shape)],
      });
    }
  });

  it('of average windows, strided, adaptive and global', async () => {
    const shape = [2, 5, 7, 3];
    await gradCheck({
      op: (x) => k.avgPool2d(x, { kernelSize: 3, stride: 2 }),
      truth: windows(shape, [2, 3], (o) => [2 * o, 2 * o + 3], average),
      inputs: [input(shape)],
    });
    const even = (o: number, size: number, out: number) =>
      [Math.floor((o * size) / out), Math.ceil(((o + 1) * size) / out)] as const;
    for (const [oh, ow] of [
      [2, 3],
      [7, 9],
    ] as const) {
      await gradCheck({
        op: (x) => k.adaptiveAvgPool2d(x, [oh, ow]),
        truth: windows(shape, [oh, ow], even, average),
        inputs: [input(shape)],
      });
    }
    await gradCheck({
      op: k.globalAvgPool2d,
      truth: windows(shape, [1, 1], (_o, size) => [0, size], average),
      inputs: [input(shape)],
    });
  });
});

describe('layout gradients by central differences', () => {
  it('of permute, slice, cat and reshape', async () => {
    const x = input([2, 3, 4]);
    const at = (data: Float64Array, i: number, j: number, l: number) => data[(i * 3 + j) * 4 + l];
    const list = <T>(n: number, f: (i: number) => T) => Array.from({ length: n }, (_, i) => f(i));
    await gradCheck({
      op: (t) => k.permute(t, [2, 0, 1]),
      truth: (d) => list(24, (i) => at(d, Math.floor(i / 3) % 2, i % 3, Math.floor(i / 6))),
      inputs: [x],
    });
    await gradCheck({
      op: (t) => k.slice(t, 1, 1, -1),
      truth: (d) => list(8, (i) => at(d, Math.floor(i / 4), 1, i % 4)),
      inputs: [x],
    });
    await gradCheck({
      op: (a, b) => k.cat([a, b], 1),
      truth: (a, b) => list(2, (i) => [...a.slice(12 * i, 12 * i + 12), ...b.slice(4 * i, 4 * i + 4)]).flat(),
      inputs: [x, input([2, 1, 4], 2)],
    });
    await gradCheck({ op: (t) => k.flatten(t), truth: (d) => d, inputs: [x] });
  });
});

it('flattens a batch of none', () => {
  expect(k.flatten(k.zeros([0, 2, 3])).shape).toEqual([0, 6]);
  expect(k.flatten(k.zeros([4, 2, 3]), -2).shape).toEqual([4, 6]);
});

it('transposes twice to itself, and views without a copy', async () => {
  const x = k.tensor(samples(24), [2, 3, 4]);
  expect(await k.transpose(k.transpose(x, 0, -1), 0, 2).floats()).toEqual(await x.floats());
  expect(k.reshape(x, [-1, 6]).shape).toEqual([4, 6]);
  expect(k.reshape(x, [-1, 6]).storage).toBe(x.storage);
});

describe('seBlock', () => {
  const [n, h, w, c, hidden] = [2, 3, 4, 8, 3];
  const inputs = [
    input([n, h, w, c], 1),
    input([c, hidden], 2),
    input([hidden, c], 3),
    input([hidden], 4),
    input([c], 5),
  ];

  it('makes NaN of a picture that holds one, and of no other', async () => {
    const numbers = samples(n * h * w * c, 1);
    numbers[5] = Number.NaN;
    const w1 = k.tensor(samples(c * hidden, 2), [c, hidden]);
    const w2 = k.tensor(samples(hidden * c, 3), [hidden, c]);
    const y = await k.seBlock(k.tensor(numbers, [n, h, w, c]), w1, w2).floats();
    expect([...y].map(Number.isNaN)).toEqual(Array.from(y, (_, i) => i < h * w * c));
  });

  it('has the gradients of its formula', async () => {
    await gradCheck({
      op: (x, w1, w2, bias1, bias2) => k.seBlock(x, w1, w2, { bias1, bias2 }),
      truth: (x, w1, w2, b1, b2) => {
        const out = new Float64Array(x.length);
        for (let i = 0; i < n; i++) {
          const z = Array.from({ length: c }, (_, ch) => {
            let sum = 0;
            for (let p = 0; p < h * w; p++) sum += x[(i * h * w + p) * c + ch];
            return sum / (h * w);
          });
          const a = Array.from(b1, (b, j) =>
            Math.max(
              0,
              z.reduce((s, v, ch) => s + v * w1[ch * hidden + j], b),
            ),
          );
          for (let ch = 0; ch < c; ch++) {
            const gate = 1 / (1 + Math.exp(-a.reduce((s, v, j) => s + v * w2[j * c + ch], b2[ch])));
            for (let p = 0; p < h * w; p++) out[(i * h * w + p) * c + ch] = x[(i * h * w + p) * c + ch] * gate;
          }
        }
        return out;
      },
      inputs,
    });
  });

  it('equals the same block made of single ops', async () => {
    const results = [true, false].map((fused) => {
      const [x, w1, w2, bias1, bias2] = inputs.map(({ data, shape }) => k.tensor(data, shape, { requiresGrad: true }));
      const gate = () => {
        const a = k.linear(k.globalAvgPool2d(x), w1, bias1, { activation: 'relu' });
        return k.reshape(k.sigmoid(k.linear(a, w2, bias2)), [n, 1, 1, c]);
      };
      const y = fused ? k.seBlock(x, w1, w2, { bias1, bias2 }) : k.mul(x, gate());
      k.backward(y, k.tensor(samples(n * h * w * c, 6), [n, h, w, c]));
      return { y, leaves: [x, w1, w2, bias1, bias2] };
    });
    const [fused, single] = results;
    expectClose(await fused.y.floats(), await single.y.floats());
    for (const [i, leaf] of fused.leaves.entries()) {
      expectClose((await leaf.grad?.floats()) ?? [], (await single.leaves[i].grad?.floats()) ?? [], { label: `d${i}` });
    }
  });
});

it('names what does not fit', () => {
  const x = k.zeros([1, 4, 4, 2]);
  expect(() => k.maxPool2d(x, { kernelSize: 5 })).toThrow(/window of 5×5 does not fit into \[1, 4, 4, 2\]/);
  expect(() => k.maxPool2d(x, { kernelSize: 2, padding: 2 })).toThrow(/padding 2×2/);
  expect(() => k.avgPool2d(x, { kernelSize: 0 })).toThrow(/kernelSize 0×0/);
  expect(() => k.adaptiveAvgPool2d(x, 0)).toThrow(/outputSize 0×0/);
  expect(() => k.globalAvgPool2d(k.zeros([2, 2]))).toThrow(/globalAvgPool2d/);
  expect(() => k.reshape(x, [3, -1])).toThrow(/must hold 32 elements/);
  expect(() => k.permute(x, [0, 1, 2, 2])).toThrow(/Name every dimension once/);
  expect(() => k.slice(x, 1, 3, 2)).toThrow(/slice: 3 to 2/);
  expect(() => k.cat([x, k.zeros([1, 4, 3, 2])], 1)).toThrow(/All dimensions but 1/);
  expect(() => k.seBlock(x, k.zeros([2, 1]), k.zeros([2, 1]))).toThrow(/seBlock/);
});
