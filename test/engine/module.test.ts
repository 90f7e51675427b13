import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BatchNorm,
  backward,
  type Device,
  Linear,
  Module,
  openDevice,
  SGD,
  sum,
  type Tensor,
  tensor,
} from '../../engine/node.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

describe('a parameter that layers share', () => {
  it('is trained once, and saved under both names', async () => {
    class Tied extends Module {
      readonly first = new Linear(2, 2, { bias: false });
      readonly second = this.first;
      forward(x: Tensor): Tensor {
        return this.second.forward(this.first.forward(x));
      }
    }
    const model = new Tied();
    model.first.weight.write([1, 0, 0, 1]);
    expect([...model.namedParameters()].map(([name]) => name)).toEqual(['first.weight']);
    expect([...(await model.stateDict()).keys()]).toEqual(['first.weight', 'second.weight']);
    backward(sum(model.forward(tensor([[1, 1]]))));
    new SGD(model.namedParameters(), { lr: 0.25 }).step();
    expect([...(await model.first.weight.data())]).toEqual([0.5, -0.5, -0.5, 0.5]);
  });
});

describe('loadStateDict', () => {
  const entry = (...data: number[]) => ({ shape: [data.length], data });

  it("takes the state of PyTorch's batch norm, with the count that ours has not", async () => {
    const norm = new BatchNorm(2);
    const state = new Map([
      ['weight', entry(1, 2)],
      ['bias', entry(3, 4)],
      ['running_mean', entry(5, 6)],
      ['running_var', entry(7, 8)],
      ['num_batches_tracked', { shape: [], data: [9] }],
    ]);
    expect(norm.loadStateDict(state)).toEqual({ missing: [], unexpected: [] });
    expect([...(await norm.running_var.data())]).toEqual([7, 8]);
    const linear = new Linear(1, 1, { bias: false });
    const other = new Map([
      ['weight', { shape: [1, 1], data: [1] }],
      ['num_batches_tracked', entry(1)],
    ]);
    expect(() => linear.loadStateDict(other)).toThrow(/unexpected: num_batches_tracked/);
  });

  it('refuses values that do not fill their shape, before it writes any', async () => {
    const linear = new Linear(2, 2);
    linear.bias?.write([1, 2]);
    const short = new Map([
      ['bias', { shape: [2], data: [3, 4] }],
      ['weight', { shape: [2, 2], data: [5, 6, 7] }],
    ]);
    expect(() => linear.loadStateDict(short)).toThrow(/weight \[2, 2\] comes with 3 values/);
    expect(() => linear.weight.fromTorch([5, 6, 7])).toThrow(/has 4 elements; 3 were given/);
    expect([...((await linear.bias?.data()) ?? [])]).toEqual([1, 2]);
  });
});
