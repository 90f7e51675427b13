import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  backward,
  centreLoss,
  type Device,
  distanceLoss,
  openDevice,
  tensor,
  updateCentres,
  zeros,
} from '../../engine/node.ts';
import { expectClose } from '../expect-close.ts';
import { type ReferenceTensor, referenceCases } from '../reference.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const get = (map: ReadonlyMap<string, ReferenceTensor>, name: string): ReferenceTensor => {
  const found = map.get(name);
  if (!found) throw new Error(`no tensor ${name}`);
  return found;
};

describe.each(['centreLoss', 'distanceLoss'])('%s against PyTorch in float64', (op) => {
  it.each(referenceCases('spectral', op).map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const make = (name: string, requiresGrad = true) => {
      const { shape, data } = get(one.inputs, name);
      return tensor(Float32Array.from(data), shape, { requiresGrad });
    };
    const labels = tensor(Int32Array.from(get(one.inputs, 'labels').data));
    const features = make('features');
    const centres = make('centres');
    const reduction = one.attributes.reduction as 'sum';
    const lambda1 = (one.attributes.lambda1 as number | undefined) ?? 0;
    const loss =
      op === 'centreLoss'
        ? centreLoss(features, labels, centres, { reduction })
        : distanceLoss(features, labels, centres, { reduction, lambda1 });
    backward(loss);
    expectClose(await loss.floats(), get(one.outputs, '').data, { label: 'loss' });
    for (const [leaf, name] of [
      [features, 'features'],
      [centres, 'centres'],
    ] as const) {
      const expected = get(one.grads, name);
      if (!leaf.grad) throw new Error(`${name} got no gradient`);
      expectClose(await leaf.grad.floats(), expected.data, { rtol: 3e-6, atol: 3e-6, label: `gradient of ${name}` });
    }
    const moving = make('centres', false);
    updateCentres(features, labels, moving, { alpha: one.attributes.alpha as number, lambda1 });
    expectClose(await moving.floats(), get(one.outputs, 'centres').data, { rtol: 3e-6, atol: 3e-6, label: 'moved' });
  });
});

describe('distanceLoss', () => {
  it('gives NaN for a label without a centre, and a shape error for shapes that do not fit', async () => {
    const loss = distanceLoss(zeros([2, 3]), tensor(new Int32Array([0, 5])), zeros([2, 3]));
    expect(await loss.item()).toBeNaN();
    expect(() => distanceLoss(zeros([2, 3]), tensor(new Int32Array([0])), zeros([2, 3]))).toThrow(
      /features \[batch, width\], labels \[batch\]/,
    );
  });

  it('pushes centres apart only through the centres', async () => {
    const labels = tensor(new Int32Array([0, 1]));
    const centres = () => tensor([0.1, 0, -0.1, 0], [2, 2]);
    const features = tensor([0.1, 0, -0.1, 0], [2, 2], { requiresGrad: true });
    backward(distanceLoss(features, labels, centres(), { lambda1: 10 }));
    expect([...(await (features.grad as typeof features).floats())].map(Math.abs)).toEqual([0, 0, 0, 0]);
    const moved = centres();
    updateCentres(features, labels, moved, { lambda1: 10 });
    const [x, , y] = await moved.floats();
    expect(x).toBeGreaterThan(1);
    expect(y).toBeLessThan(-1);
  });
});
