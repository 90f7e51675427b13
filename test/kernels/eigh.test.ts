import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backward, covariance, type Device, logEig, openDevice, type Tensor, tensor } from '../../engine/node.ts';
import { decompose } from '../../engine/ops/eigh.ts';
import { eighKernel } from '../../kernels/spectral/eigh.ts';
import { expectClose } from '../expect-close.ts';
import { samples } from '../gradcheck.ts';
import { clampedLog, eigh64, product, spectralFunction, spectralGradient } from '../spectral-truth.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const largest = (values: ArrayLike<number>): number => Array.from(values).reduce((m, v) => Math.max(m, Math.abs(v)), 0);

/** Q diag(values) Qᵀ with a random orthogonal Q, rounded to f32. */
function withEigenvalues(values: readonly number[], seed: number): Float32Array {
  const n = values.length;
  const q = eigh64(samples(n * n, seed), n).vectors;
  const scaled = q.map((u, at) => u * values[at % n]);
  return Float32Array.from(product(scaled, q, n, n, n, false, true));
}

const geometric = (n: number, from: number, to: number): number[] =>
  Array.from({ length: n }, (_, i) => from * (to / from) ** (n === 1 ? 0 : i / (n - 1)));

/** Checks A = Σ λ u uᵀ and UUᵀ = I, and the eigenvalues, each to its own digits where `relative`. */
async function checkDecomposition(matrix: Float32Array, n: number, relative: boolean): Promise<void> {
  const { values, vectors } = decompose(tensor(matrix, [1, n, n]));
  const found = await values.floats();
  const u = await vectors.floats();
  const truth = eigh64(matrix, n);
  const identity = Float64Array.from({ length: n * n }, (_, at) => Number(at % (n + 1) === 0));
  expectClose(product(u, u, n, n, n, false, true), identity, { rtol: 0, atol: 2e-6, label: 'orthogonality' });
  const scaled = Float64Array.from(u, (x, at) => x * found[Math.floor(at / n)]);
  const atol = 2e-6 * largest(truth.values);
  expectClose(product(u, scaled, n, n, n, true), matrix, { rtol: 0, atol, label: 'reconstruction' });
  const sorted = truth.values.toSorted();
  const tolerance = relative ? { rtol: 4e-6, atol: 0 } : { rtol: 0, atol: 2 * atol };
  expectClose(found.toSorted(), sorted, { ...tolerance, label: 'eigenvalues' });
}

describe.each(eighKernel.variants.map((v) => v.name))('eigh, variant %s', (variant) => {
  const supported = (n: number): boolean =>
    device.tuner.supported(eighKernel, { batch: 1, n }).some((v) => v.name === variant);
  const run = async (n: number, body: () => Promise<void>): Promise<void> => {
    if (!supported(n)) return;
    device.tuner.force('eigh', variant);
    try {
      await body();
    } finally {
      device.tuner.force('eigh', undefined);
    }
  };

  it.each([1, 2, 3, 5, 8, 17, 31, 33, 64, 65, 100])('decomposes positive definite matrices of %i rows', async (n) => {
    await run(n, () => checkDecomposition(withEigenvalues(geometric(n, 1e-3, 30), n), n, true));
  });

  it('keeps the digits of small eigenvalues where the spectrum spans six decades', async () => {
    await run(24, () => checkDecomposition(withEigenvalues(geometric(24, 1e-5, 10), 4), 24, true));
  });

  it('decomposes indefinite and negative matrices', async () => {
    await run(20, async () => {
      await checkDecomposition(withEigenvalues([...samples(20, 9)], 9), 20, false);
      await checkDecomposition(withEigenvalues(geometric(20, -30, -1), 5), 20, false);
      await checkDecomposition(withEigenvalues([1, -1, 1, -1, 2, -2, 0, 0], 6), 8, false);
    });
  });

  it('decomposes zero, singular and scaled matrices', async () => {
    await run(6, async () => {
      await checkDecomposition(new Float32Array(36), 6, false);
      await checkDecomposition(new Float32Array(36).fill(3), 6, false);
      for (const scale of [1e-12, 1e12]) {
        await checkDecomposition(
          withEigenvalues(geometric(6, 0.01, 1), 3).map((x) => x * scale),
          6,
          true,
        );
      }
    });
  });

  it('skips what it is told to, and passes NaN on', async () => {
    await run(4, async () => {
      const one = withEigenvalues([1, 2, 3, 4], 1);
      const a = tensor(Float32Array.from([...one, ...one, ...one.with(5, Number.NaN)]), [3, 4, 4]);
      const { values, vectors } = decompose(a, tensor(new Uint32Array([0, 7, 0])));
      const found = await values.floats();
      expect([...found.slice(4, 8)]).toEqual([0, 0, 0, 0]);
      expect([...(await vectors.floats()).slice(16, 32)]).toEqual(new Array(16).fill(0));
      expectClose(found.slice(0, 4).toSorted(), [1, 2, 3, 4], { rtol: 2e-6, atol: 0 });
      expect((await logEig(a).floats()).slice(32).some(Number.isNaN)).toBe(true);
    });
  });

  it('does not depend on the batch', async () => {
    await run(16, async () => {
      const matrices = [1, 2, 3, 4, 5].map((seed) => withEigenvalues(geometric(16, 0.1, 3), seed));
      const together = decompose(tensor(Float32Array.from(matrices.flatMap((m) => [...m])), [5, 16, 16]));
      const alone = decompose(tensor(matrices[3], [1, 16, 16]));
      expect((await together.values.floats()).slice(48, 64)).toEqual(await alone.values.floats());
      expect((await together.vectors.floats()).slice(768, 1024)).toEqual(await alone.vectors.floats());
    });
  });
});

it('eigh, variant round-robin, as GPUs run it: 128 rows, outside workgroup memory (256: eigh.full.test.ts)', async () => {
  device.tuner.force('eigh', 'round-robin');
  await checkDecomposition(withEigenvalues(geometric(128, 1e-3, 30), 128), 128, false);
  device.tuner.force('eigh', undefined);
});

describe.each(eighKernel.variants.map((v) => v.name))('logEig of 64 × 64 matrices, eigh variant %s', (variant) => {
  const n = 64;
  const relu = (seed: number, positions: number, scale: number): Float32Array =>
    samples(positions * n, seed).map((x, i) => Math.max(0, x + 0.2) * scale * (0.5 + (i % n) / n));
  const cluster = (seed: number) =>
    withEigenvalues(
      Array.from({ length: n }, (_, i) => (i < 32 ? 1 : 0.05) * (1 + (i % 32) * 1e-7)),
      seed,
    );
  const cases: Record<string, (seed: number) => Tensor> = {
    separated: (seed) => tensor(withEigenvalues(geometric(n, 1e-3, 30), seed), [1, n, n]),
    covariance: (seed) => covariance(tensor(relu(seed, 144, 1), [1, 144, n])),
    equal: () =>
      tensor(
        Float32Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 3 : 0)),
        [1, n, n],
      ),
    'near-equal, gap 1e-7': (seed) => tensor(cluster(seed), [1, n, n]),
    'rank 8': (seed) => covariance(tensor(relu(seed, 9, 1), [1, 9, n])),
    'trace below 1': (seed) => covariance(tensor(relu(seed, 9, 0.03), [1, 9, n])),
    'zero image': () => covariance(tensor(new Float32Array(9 * n), [1, 9, n])),
    'all-equal positions but one': () =>
      covariance(
        tensor(
          Float32Array.from({ length: 9 * n }, (_, at) => (at < n ? at / n : 0.5)),
          [1, 9, n],
        ),
      ),
  };

  // The rung that runs here takes the whole batch of 128, the others one matrix of each case.
  const batch = () => (chosen() === variant ? 128 : 8);
  const chosen = () => device.tuner.supported(eighKernel, { batch: 128, n }).at(-1)?.name;

  it('is within 5e-6 forward and 1e-5 backward of float64 in every case, alone and in one batch', async () => {
    if (!device.tuner.supported(eighKernel, { batch: 1, n }).some((v) => v.name === variant)) return;
    device.tuner.force('eigh', variant);
    const names = Object.keys(cases);
    const count = batch();
    const matrices = new Float32Array(count * n * n);
    for (let i = 0; i < count; i++) matrices.set(await cases[names[i % names.length]](i + 1).floats(), i * n * n);
    const seeds = samples(count * n * n, 99);
    const a = tensor(matrices, [count, n, n], { requiresGrad: true });
    const y = logEig(a);
    backward(y, tensor(seeds, [count, n, n]));
    const found = await y.floats();
    const gradient = await (a.grad as Tensor).floats();
    for (let i = 0; i < count; i += i < names.length ? 1 : 15) {
      const part = <T extends Float32Array>(all: T) => all.subarray(i * n * n, (i + 1) * n * n);
      const label = names[i % names.length];
      const expected = spectralFunction(part(matrices), n, clampedLog());
      expectClose(part(found), expected, { rtol: 0, atol: 5e-6 * largest(expected), label: `${label}: logEig` });
      const truth = spectralGradient(eigh64(part(matrices), n), part(seeds), clampedLog());
      const atol = 1e-5 * largest(truth);
      expectClose(part(gradient), truth, { rtol: 0, atol: Math.max(atol, 1e-30), label: `${label}: gradient` });
      if (i >= names.length) continue;
      const single = tensor(Float32Array.from(part(matrices)), [1, n, n], { requiresGrad: true });
      const alone = logEig(single);
      backward(alone, tensor(Float32Array.from(part(seeds)), [1, n, n]));
      expect(await alone.floats()).toEqual(Float32Array.from(part(found)));
      expect(await (single.grad as Tensor).floats()).toEqual(Float32Array.from(part(gradient)));
    }
    device.tuner.force('eigh', undefined);
  });
});
