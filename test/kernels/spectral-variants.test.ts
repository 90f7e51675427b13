import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  backward,
  covariance,
  covarianceLogEig,
  type Device,
  logEig,
  openDevice,
  program,
  reEig,
  stiefelRetract,
  stiefelTangent,
  Tensor,
  tensor,
} from '../../engine/node.ts';
import { centrePositionsKernel, squaredNormKernel } from '../../kernels/covariance/covariance.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { orthonormaliseKernel } from '../../kernels/spectral/orthonormalise.ts';
import { expectClose } from '../expect-close.ts';
import { samples } from '../gradcheck.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const kernels = [
  'centre-positions',
  'add-scaled-samples',
  'symmetrise',
  'select-samples',
  'spectral-scale',
  'loewner',
  'orthonormalise',
];

/** The head, forward and backward, on samples of which one is all zero and one has a trace below 1. */
async function head(positions: number, channels: number, widths: readonly number[], path: 'auto' | 'full') {
  const one = positions * channels;
  const data = samples(4 * one, 7).map((v, i) => Math.max(0, v + 0.2) * [3, 0, 0.05, 2][Math.floor(i / one)]);
  const x = tensor(data, [4, positions, channels], { requiresGrad: true });
  let rows = channels;
  const weights = widths.map((columns) => {
    const weight = tensor(samples(rows * columns, columns), [rows, columns], { requiresGrad: true });
    stiefelRetract(weight);
    rows = columns;
    return weight;
  });
  const y = covarianceLogEig(x, weights, { path });
  backward(y, tensor(samples(y.size, 9), y.shape));
  const out = [await y.floats()];
  out.push(await (x.grad as Tensor).floats());
  // The part normal to the manifold depends on the path, and at the floor on rounding: 1e-4 I clamped at 1e-4.
  for (const weight of weights) out.push(await stiefelTangent(weight, weight.grad as Tensor).floats());
  return out;
}

const largest = (values: Float32Array): number => values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);

describe('the naive rung of every small kernel', () => {
  it.each([
    [20, 16, [8, 4]],
    [5, 16, [12, 8]],
    [6, 32, [20]],
  ] as const)('agrees with the best one: %i positions, %i channels, widths %j', async (positions, channels, widths) => {
    const best = await head(positions, channels, widths, 'auto');
    for (const kernel of kernels) device.tuner.force(kernel, 'naive');
    try {
      device.tuner.force('row-svd', 'serial');
      const naive = await head(positions, channels, widths, 'auto');
      naive.forEach((values, i) => {
        expectClose(best[i], values, { rtol: 0, atol: 3e-5 * largest(values), label: `tensor ${i}` });
      });
    } finally {
      for (const kernel of [...kernels, 'row-svd']) device.tuner.force(kernel, undefined);
    }
  });
});

describe('the rungs for GPUs against the naive ones', () => {
  /** The output of one kernel under a rung, started from `start`, with `x` beside it where it is another buffer. */
  async function run(kernel: Kernel, rung: string, params: Record<string, number>, start: Tensor, x?: Tensor) {
    device.tuner.force(kernel.name, rung);
    const [out] = Object.keys(kernel.bindings).slice(-1);
    device.run(kernel, { [out]: start.storage, ...(x && { x: x.storage }) }, params);
    const values = await start.floats();
    device.tuner.force(kernel.name, undefined);
    return values;
  }

  it.each([
    [256, 128],
    [40, 12],
    [7, 4],
    [100, 100],
    [13, 8],
  ])('orthonormalise: %i × %i', async (rows, columns) => {
    const make = () => tensor(samples(rows * columns, 3), [rows, columns]);
    const kernel = orthonormaliseKernel as unknown as Kernel;
    const expected = await run(kernel, 'naive', { rows, columns }, make());
    const found = await run(kernel, 'registers', { rows, columns }, make());
    // A square matrix of random numbers is ill-conditioned: its last columns differ by as much as that multiplies.
    expectClose(found, expected, { atol: rows === columns ? 1e-3 : 2e-6, label: 'columns' });
  });

  it.each([
    [3, 37, 12],
    [2, 144, 132],
    [1, 5, 64],
  ])('centre-positions: %i × %i × %i', async (batch, positions, channels) => {
    const x = tensor(samples(batch * positions * channels, 3), [batch, positions, channels]);
    const params = { batch, positions, channels, scale: 0.3 };
    const kernel = centrePositionsKernel as unknown as Kernel;
    const expected = await run(kernel, 'naive', params, Tensor.empty(x.shape), x);
    const found = await run(kernel, 'team', params, Tensor.empty(x.shape), x);
    expectClose(found, expected, { atol: 1e-6, label: 'centred' });
  });

  it.each([4097, 20_000])('squared-norm of %i numbers', async (size) => {
    const x = tensor(samples(3 * size, 3), [3, size]);
    const kernel = squaredNormKernel as unknown as Kernel;
    const expected = await run(kernel, 'naive', { batch: 3, size }, Tensor.empty([3]), x);
    const found = await run(kernel, 'tree', { batch: 3, size }, Tensor.empty([3]), x);
    expectClose(found, expected, { rtol: 2e-6, atol: 0, label: 'norms' });
  });
});

describe('the auto path of a mixed batch', () => {
  it('gives what the full path gives, forward and by the features', async () => {
    for (const positions of [20, 5]) {
      const widths = positions === 20 ? [8, 4] : [12, 8];
      const auto = await head(positions, 16, widths, 'auto');
      const full = await head(positions, 16, widths, 'full');
      for (const i of [0, 1]) {
        expectClose(auto[i], full[i], { rtol: 0, atol: 1e-4 * largest(full[i]), label: `tensor ${i}` });
      }
    }
  });

  it('is decided anew at every run of a program, sample by sample', async () => {
    const x = tensor(new Float32Array(2 * 5 * 8), [2, 5, 8]);
    const step = program(() => covarianceLogEig(x, []));
    for (const scales of [
      [3, 0.01],
      [0.01, 3],
      [0, 2],
    ]) {
      const data = samples(80, 5).map((v, i) => v * scales[Math.floor(i / 40)]);
      x.write(data);
      const found = await (await step.run()).floats();
      const expected = await covarianceLogEig(tensor(data, [2, 5, 8]), [], { path: 'full' }).floats();
      expectClose(found, expected, { rtol: 0, atol: 5e-5 * largest(expected), label: `scales ${scales}` });
    }
    step.dispose();
  });
});

describe('skip', () => {
  it('returns the matrix from reEig and zeros from logEig, with the gradient to match', async () => {
    const a = covariance(tensor(samples(2 * 20 * 6, 3), [2, 20, 6]));
    const values = await a.floats();
    const skip = tensor(new Uint32Array([0, 1]));
    const seed = samples(72, 4);
    for (const [f, kept] of [
      [reEig, true],
      [logEig, false],
    ] as const) {
      const x = tensor(values, [2, 6, 6], { requiresGrad: true });
      const y = f(x, { floor: 0.2, ceiling: 0.5, skip });
      backward(y, tensor(seed, [2, 6, 6]));
      const zeros = new Float32Array(36);
      expect((await y.floats()).slice(36)).toEqual(kept ? values.slice(36) : zeros);
      expect((await (x.grad as Tensor).floats()).slice(36)).toEqual(kept ? seed.slice(36) : zeros);
      const plain = await f(tensor(values, [2, 6, 6]), { floor: 0.2, ceiling: 0.5 }).floats();
      expectClose((await y.floats()).slice(0, 36), plain.slice(0, 36), { rtol: 0, atol: 2e-6, label: 'not skipped' });
    }
  });
});
