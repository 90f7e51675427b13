import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  backward,
  biMap,
  covariance,
  covarianceLogEig,
  type Device,
  eigh,
  logEig,
  openDevice,
  reEig,
  stiefelTangent,
  type Tensor,
  tensor,
} from '../../engine/node.ts';
import { expectClose } from '../expect-close.ts';
import { type ReferenceCase, type ReferenceTensor, referenceCases } from '../reference.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const leaf = (from: ReferenceTensor): Tensor =>
  tensor(Float32Array.from(from.data), from.shape, { requiresGrad: true });
const get = (map: ReadonlyMap<string, ReferenceTensor>, name: string): ReferenceTensor => {
  const found = map.get(name);
  if (!found) throw new Error(`no tensor ${name}`);
  return found;
};
const largest = (values: Float64Array): number => values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);

/** Tolerance relative to the largest entry: what "max relative error" of a matrix means here. */
async function check(
  one: ReferenceCase,
  run: (inputs: Map<string, Tensor>) => Tensor,
  forward: number,
  gradient: number,
) {
  const inputs = new Map([...one.inputs].map(([name, t]) => [name, leaf(t)]));
  const out = run(inputs);
  const expected = get(one.outputs, '');
  const seed = get(one.gradOutputs, '');
  backward(out, tensor(Float32Array.from(seed.data), seed.shape));
  expect(out.shape).toEqual(expected.shape);
  expectClose(await out.floats(), expected.data, {
    rtol: 0,
    atol: forward * Math.max(largest(expected.data), 1e-30),
    label: `${one.name} forward`,
  });
  for (const [name, grad] of one.grads) {
    const found = inputs.get(name)?.grad as Tensor;
    expectClose(await found.floats(), grad.data, {
      rtol: 0,
      atol: gradient * Math.max(largest(grad.data), 1e-30),
      label: `${one.name} gradient of ${name}`,
    });
  }
}

const attribute = (one: ReferenceCase, name: string, absent: number): number =>
  (one.attributes[name] as number | null) ?? absent;

describe.each(['covariance', 'biMap', 'logEig', 'reEig'])('%s against float64', (op) => {
  it.each(referenceCases('spectral', op).map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const floor = attribute(one, 'floor', 0);
    const ceiling = attribute(one, 'ceiling', Number.POSITIVE_INFINITY);
    await check(
      one,
      (t) => {
        const x = t.get('x') as Tensor;
        if (op === 'covariance') return covariance(x, { eps: attribute(one, 'regulariser', 0) });
        if (op === 'biMap') return biMap(x, t.get('weight') as Tensor);
        return op === 'logEig' ? logEig(x, { floor, ceiling }) : reEig(x, { floor, ceiling });
      },
      5e-6,
      1e-5,
    );
  });
});

describe.each(['full', 'auto'] as const)('the covariance head, path %s, against float64', (path) => {
  it.each(referenceCases('spectral', 'covarianceLogEig').map((one) => [one.name, one] as const))(
    '%s',
    async (_, one) => {
      const x = leaf(get(one.inputs, 'x'));
      const weights = [...one.inputs].filter(([name]) => name.startsWith('weight')).map(([, t]) => leaf(t));
      const out = covarianceLogEig(x, weights, { path });
      const seed = get(one.gradOutputs, '');
      backward(out, tensor(Float32Array.from(seed.data), seed.shape));
      // Products rounded to f32 before the logarithm: full forms WᵀAW, whose rounding is relative to the largest eigenvalue.
      const [forward, gradient] = path === 'full' ? [2e-5, 2e-4] : [5e-6, 3e-5];
      const close = async (found: Tensor, expected: Float64Array, share: number, label: string) =>
        expectClose(await found.floats(), expected, { rtol: 0, atol: share * Math.max(largest(expected), 0.1), label });
      await close(out, get(one.outputs, '').data, forward, `${one.name} forward`);
      await close(x.grad as Tensor, get(one.grads, 'x').data, gradient, `${one.name} gradient of x`);
      for (const [i, weight] of weights.entries()) {
        const tangent = stiefelTangent(weight, weight.grad as Tensor);
        await close(tangent, get(one.tangents, `weight${i}`).data, gradient, `${one.name} tangent of weight ${i}`);
      }
    },
  );
});

describe('eigh against float64', () => {
  it.each(referenceCases('spectral', 'eigh').map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const x = get(one.inputs, 'x');
    const { values, vectors } = eigh(tensor(Float32Array.from(x.data), x.shape));
    const expected = get(one.outputs, 'values');
    expect(values.shape).toEqual(expected.shape);
    const atol = 2e-6 * Math.max(largest(expected.data), 1e-30);
    expectClose(await values.floats(), expected.data, { rtol: 0, atol, label: `${one.name} values` });
    if (one.attributes.simple !== true) return;
    // Eigenvectors turn by rounding / gap: 1e-4 apart, relative to the largest eigenvalue, at the least.
    const truth = get(one.outputs, 'vectors').data;
    expectClose(await vectors.floats(), truth, { rtol: 0, atol: 2e-4, label: `${one.name} vectors` });
  });
});
