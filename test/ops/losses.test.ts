import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as k from '../../engine/node.ts';
import { expectClose } from '../expect-close.ts';
import { gradCheck, input, samples } from '../gradcheck.ts';

let device: k.Device;
beforeAll(async () => {
  device = await k.openDevice();
});
afterAll(() => device.close());

const softmaxOf = (row: ArrayLike<number>): number[] => {
  const values = Array.from(row);
  const largest = Math.max(...values);
  const e = values.map((v) => Math.exp(v - largest));
  const total = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / total);
};
const rowsOf = (x: Float64Array, length: number): Float64Array[] =>
  Array.from({ length: x.length / length }, (_, i) => x.subarray(i * length, (i + 1) * length));

describe('gradients by central differences', () => {
  it('of softmax, log-softmax and cross-entropy', async () => {
    const x = input([4, 5]);
    await gradCheck({ op: (t) => k.softmax(t), truth: (t) => rowsOf(t, 5).flatMap(softmaxOf), inputs: [x] });
    const logs = (t: Float64Array) => rowsOf(t, 5).flatMap((row) => softmaxOf(row).map(Math.log));
    await gradCheck({ op: (t) => k.logSoftmax(t), truth: logs, inputs: [x] });
    const labels = [2, 0, 4, 4];
    const hard = (t: Float64Array) => [
      rowsOf(t, 5).reduce((n, row, i) => n - Math.log(softmaxOf(row)[labels[i]]), 0) / 4,
    ];
    await gradCheck({ op: (t) => k.crossEntropy(t, k.tensor(Uint32Array.from(labels))), truth: hard, inputs: [x] });
    const soft = samples(20, 9).map((v) => v + 1);
    const target = k.tensor(soft, [4, 5]);
    const truth = (t: Float64Array) => [logs(t).reduce((n, v, i) => n - v * soft[i], 0)];
    await gradCheck({ op: (t) => k.crossEntropy(t, target, { reduction: 'sum' }), truth, inputs: [x] });
  });

  it('of L1 and squared losses, for both operands', async () => {
    const inputs = [input([3, 4], 1), input([3, 4], 2)];
    const total = (f: (d: number) => number) => (a: Float64Array, b: Float64Array) => [
      a.reduce((n, v, i) => n + f(v - b[i]), 0) / a.length,
    ];
    await gradCheck({ op: (a, b) => k.l1Loss(a, b), truth: total(Math.abs), inputs });
    await gradCheck({ op: (a, b) => k.mseLoss(a, b), truth: total((d) => d * d), inputs });
    await gradCheck({
      op: (a) => k.mseLoss(a, 1, { reduction: 'sum' }),
      truth: (a) => [a.reduce((n, v) => n + (v - 1) ** 2, 0)],
      inputs: [inputs[0]],
    });
  });
});

describe('crossEntropy', () => {
  it('leaves out ignored rows, as if they were not there', async () => {
    const logits = samples(6 * 4, 5);
    const grads: Float32Array[] = [];
    const losses: number[] = [];
    for (const rows of [6, 4]) {
      const x = k.tensor(logits.slice(0, rows * 4), [rows, 4], { requiresGrad: true });
      const labels = k.tensor(Int32Array.of(0, 3, 1, 2, -1, -1).slice(0, rows));
      const loss = k.crossEntropy(x, labels, { ignoreIndex: -1 });
      k.backward(loss);
      losses.push(await loss.item());
      grads.push((await x.grad?.floats()) ?? new Float32Array());
    }
    expect(losses[0]).toBe(losses[1]);
    expect([...grads[0]]).toEqual([...grads[1], ...new Float32Array(8)]);
  });

  it('gives 0 where all rows are ignored, and NaN for a label that names no class', async () => {
    const x = k.tensor(samples(8), [2, 4], { requiresGrad: true });
    const none = k.crossEntropy(x, k.tensor(Uint32Array.of(9, 9)), { ignoreIndex: 9 });
    k.backward(none);
    expect(await none.item()).toBe(0);
    expect([...((await x.grad?.floats()) ?? [1])]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(await k.crossEntropy(x, k.tensor(Uint32Array.of(0, 4))).item()).toBeNaN();
    expect(await k.crossEntropy(x, k.tensor(Int32Array.of(0, -1))).item()).toBeNaN();
  });

  it('names what does not fit', () => {
    const x = k.zeros([2, 3]);
    expect(() => k.crossEntropy(x, k.tensor(Uint32Array.of(1)))).toThrow(/crossEntropy: \[2, 3\] and \[1\] do not fit/);
    expect(() => k.crossEntropy(x, k.zeros([2]))).toThrow(/its target is f32/);
    expect(() => k.softmax(x, 0)).toThrow(/Only the last dimension/);
    expect(() => k.mseLoss(x, k.zeros([3, 2]))).toThrow(/mseLoss: \[2, 3\] and \[3, 2\] do not fit/);
  });
});

describe('dropout', () => {
  it('drops what the generator says, scales the rest, and takes the same mask backward', async () => {
    const x = k.tensor(
      samples(1003, 2).map((v) => v + 2),
      [17, 59],
      { requiresGrad: true },
    );
    const y = k.dropout(x, { p: 0.3, generator: new k.Generator(5) });
    k.backward(y, k.ones([17, 59]));
    const kept = new k.Generator(5).uniform(1003).map((u) => (u >= Math.fround(0.3) ? 1 : 0));
    const share = kept.reduce((a, b) => a + b, 0) / 1003;
    expect(share).toBeGreaterThan(0.65);
    expect(share).toBeLessThan(0.75);
    const values = await x.floats();
    expectClose(
      await y.floats(),
      values.map((v, i) => (v * kept[i]) / 0.7),
    );
    expectClose(
      (await x.grad?.floats()) ?? [],
      kept.map((m) => m / 0.7),
    );
  });

  it('draws anew at every replay, as eager runs do', async () => {
    const runs = [false, true].map((eager) => {
      const generator = new k.Generator(8);
      const x = k.tensor(samples(64, 3), [64], { requiresGrad: true });
      const step = k.program(
        () => {
          const y = k.dropout(x, { generator });
          k.backward(y, k.ones([64]));
          const gradient = k.mul(x.grad as k.Tensor, 1);
          return { y, gradient };
        },
        { eager },
      );
      return { step, generator };
    });
    const seen: string[] = [];
    for (let i = 0; i < 3; i++) {
      const [a, b] = await Promise.all(
        runs.map(async ({ step }) => {
          const { y, gradient } = await step.run();
          const mask = (await y.floats()).map((v) => (v === 0 ? 0 : 2));
          expect([...(await gradient.floats())]).toEqual([...mask]);
          return mask.join('');
        }),
      );
      expect(a).toBe(b);
      seen.push(a);
    }
    expect(new Set(seen).size).toBe(3);
    expect(runs[0].generator.calls).toBe(3);
  });

  it('does nothing in evaluation, and refuses p = 1', () => {
    const x = k.zeros([3]);
    expect(k.dropout(x, { training: false })).toBe(x);
    expect(() => k.dropout(x, { p: 1 })).toThrow(/p is 1/);
  });
});
