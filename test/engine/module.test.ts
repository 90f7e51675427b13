import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BatchNorm,
  backward,
  Conv2d,
  ConvTranspose2d,
  type Device,
  Linear,
  Module,
  openDevice,
  Sequential,
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

describe('loadStateDict', () => {
  const net = () => new Sequential([new Linear(3, 2), new BatchNorm(2)]);
  const filled = async () => {
    const state = await net().stateDict();
    for (const { data } of state.values()) data.fill(0.5);
    return state;
  };

  it("takes PyTorch's batch norm, which counts its batches", async () => {
    const state = await filled();
    state.set('1.num_batches_tracked', { shape: [], data: Float32Array.of(7) });
    const target = net();
    expect(target.loadStateDict(state)).toEqual({ missing: [], unexpected: [] });
    expect(await target.stateDict()).toEqual(await filled());
    state.set('0.num_batches_tracked', { shape: [], data: Float32Array.of(7) });
    expect(() => target.loadStateDict(state)).toThrow(/unexpected: 0\.num_batches_tracked/);
  });

  it('writes nothing when a tensor has too few values for its shape', async () => {
    const state = await filled();
    state.set('0.weight', { shape: [2, 3], data: new Float32Array(5) });
    const target = net();
    const before = await target.stateDict();
    expect(() => target.loadStateDict(state)).toThrow(/0\.weight is \[2, 3\] and has 5 values/);
    expect(() => new Linear(2, 2).weight.fromTorch([5, 6, 7])).toThrow(/has 4 elements; 3 were given/);
    expect(await target.stateDict()).toEqual(before);
  });
});

it('layers refuse sizes that make no weight', () => {
  expect(() => new Conv2d(3, 8, 3, { groups: 2 })).toThrow(/3 and 8 channels do not fall into 2 groups/);
  expect(() => new Conv2d(4, 9, 3, { groups: 2 })).toThrow(/4 and 9 channels do not fall into 2 groups/);
  expect(() => new Conv2d(3, 8, 0)).toThrow(/Conv2d: kernelSize is 0/);
  expect(() => new ConvTranspose2d(3, 8, 1.5)).toThrow(/ConvTranspose2d: kernelSize is 1\.5/);
  expect(() => new Linear(2, 2.5)).toThrow(/Linear: outFeatures is 2\.5/);
});
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
