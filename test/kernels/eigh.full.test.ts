import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, eigh, openDevice, tensor } from '../../engine/node.ts';
import { expectClose } from '../expect-close.ts';
import { samples } from '../gradcheck.ts';
import { eigh64, product } from '../spectral-truth.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

it.each([
  [256, 'lanes'],
  [256, 'round-robin'],
  [300, 'round-robin'],
])('eigh of %i rows by %s: the largest for lanes, and more than they take', async (n, variant) => {
  const x = samples(n * 2 * n, 4);
  const matrix = Float32Array.from(product(x, x, n, 2 * n, n, false, true));
  device.tuner.force('eigh', variant);
  const { values, vectors } = eigh(tensor(matrix, [n, n]));
  const found = await values.floats();
  expectClose(found, eigh64(matrix, n).values.toSorted(), { rtol: 5e-6, atol: 0, label: 'eigenvalues' });
  const u = await vectors.floats();
  const identity = Float64Array.from({ length: n * n }, (_, at) => Number(at % (n + 1) === 0));
  expectClose(product(u, u, n, n, n, true), identity, { rtol: 0, atol: 3e-6, label: 'orthogonality' });
  expect(vectors.shape).toEqual([n, n]);
  device.tuner.force('eigh', undefined);
});
