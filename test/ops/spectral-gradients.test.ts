import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  biMap,
  centreLoss,
  covariance,
  covarianceLogEig,
  type Device,
  distanceLoss,
  logEig,
  openDevice,
  reEig,
  ShapeError,
  sqrtEig,
  stiefelRetract,
  type Tensor,
  tensor,
  zeros,
} from '../../engine/node.ts';
import { gradCheck, input, samples } from '../gradcheck.ts';
import { clamped, clampedLog, clampedSqrt, covariance64, product, spectralFunction } from '../spectral-truth.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const tolerance = { rtol: 2e-4, atol: 5e-5 };

/** A function of each matrix of a batch, results one after the other. */
const batched = (x: Float64Array, size: number, f: (one: Float64Array) => Float64Array): number[] =>
  Array.from({ length: x.length / size }, (_, b) => [...f(x.subarray(b * size, (b + 1) * size))]).flat();

/** Symmetric positive definite input: MMᵀ + shift I of samples. */
const definite = (batch: number, n: number, seed: number, shift: number) => {
  const data = samples(batch * n * n, seed);
  return {
    shape: [batch, n, n],
    data: batched(Float64Array.from(data), n * n, (m) => {
      const a = product(m, m, n, n, n, false, true);
      for (let i = 0; i < n; i++) a[i * n + i] += shift;
      return a;
    }),
  };
};

describe('gradients by central differences of a float64 truth, with negative controls', () => {
  it('covariance', () =>
    gradCheck({
      op: (x) => covariance(x, { eps: 0.1 }),
      truth: (x) => batched(x, 7 * 5, (one) => covariance64(one, 7, 5, 0.1)),
      inputs: [input([2, 7, 5], 3)],
      tolerance,
    }));

  it('covariance with an orthonormal weight', async () => {
    const w = tensor(samples(5 * 3, 4), [5, 3]);
    stiefelRetract(w);
    const weight = await w.floats();
    await gradCheck({
      op: (x) => covariance(x, { eps: 0.1, weight: tensor(weight, [5, 3]) }),
      truth: (x) =>
        batched(x, 7 * 5, (one) => {
          const half = product(weight, covariance64(one, 7, 5, 0), 3, 5, 5, true);
          const c = covariance64(one, 7, 5, 0);
          const trace = 0.1 * [0, 6, 12, 18, 24].reduce((sum, at) => sum + c[at], 0);
          return product(half, weight, 3, 5, 3).map((v, at) => v + (at % 4 === 0 ? trace : 0));
        }),
      inputs: [input([2, 7, 5], 3)],
      tolerance,
    });
  });

  it('biMap', () =>
    gradCheck({
      op: biMap,
      truth: (a, w) => batched(a, 25, (one) => product(product(w, one, 3, 5, 5, true), w, 3, 5, 3)),
      inputs: [definite(2, 5, 3, 0.1), input([5, 3], 4)],
      tolerance,
    }));

  const functions = {
    logEig: { op: (a: Tensor) => logEig(a), truth: clampedLog() },
    'logEig with three eigenvalues below the floor': {
      op: (a: Tensor) => logEig(a, { floor: 0.5 }),
      truth: clampedLog(0.5),
    },
    reEig: { op: (a: Tensor) => reEig(a, { floor: 0.5, ceiling: 2 }), truth: clamped(0.5, 2) },
    sqrtEig: { op: (a: Tensor) => sqrtEig(a, { floor: 0.3, ceiling: 2 }), truth: clampedSqrt(0.3, 2) },
  };
  it.each(Object.entries(functions))('%s', (_, { op, truth }) =>
    gradCheck({
      op,
      truth: (a) => batched(a, 36, (one) => spectralFunction(one, 6, truth)),
      inputs: [definite(2, 6, 5, 0.2)],
      tolerance,
    }),
  );

  it.each([
    ['logEig', (a: Tensor) => logEig(a), clampedLog()],
    ['sqrtEig', (a: Tensor) => sqrtEig(a), clampedSqrt()],
    ['reEig', (a: Tensor) => reEig(a), clamped()],
  ] as const)('%s where eigenvalues are equal', (_, op, truth) => {
    const data = new Float64Array(25);
    [2, 2, 2, 0.5, 0.5].forEach((value, i) => {
      data[i * 6] = value;
    });
    return gradCheck({
      op,
      truth: (a) => spectralFunction(a, 5, truth),
      inputs: [{ shape: [1, 5, 5], data }],
      tolerance,
    });
  });

  it('the low-rank logarithm, against the full decomposition in float64', () =>
    gradCheck({
      op: (x) => covarianceLogEig(x, [], { eps: 0.05, floor: 1e-6 }),
      truth: (x) => batched(x, 4 * 6, (one) => spectralFunction(covariance64(one, 4, 6, 0.05), 6, clampedLog(1e-6))),
      inputs: [input([2, 4, 6], 6)],
      tolerance: { rtol: 5e-4, atol: 2e-4 },
    }));

  it.each(['sum', 'batchMean', 'elementMean'] as const)('distanceLoss and centreLoss, %s', async (reduction) => {
    const labels = [0, 2, 2, 1];
    const weight = { sum: 0.5, batchMean: 0.5 / 4, elementMean: 1 / 12 }[reduction];
    const truth = (lambda1: number) => (x: Float64Array, c: Float64Array) => {
      let pull = 0;
      let push = 0;
      for (let b = 0; b < 4; b++) for (let i = 0; i < 3; i++) pull += (x[b * 3 + i] - c[labels[b] * 3 + i]) ** 2;
      for (let j = 0; j < 3; j++) {
        for (let k = 0; k < 3; k++) {
          if (j !== k) push += 1 / (Math.hypot(...[0, 1, 2].map((i) => c[j * 3 + i] - c[k * 3 + i])) + 1);
        }
      }
      return [weight * pull + lambda1 * push];
    };
    const inputs = [input([4, 3], 7), input([3, 3], 8)];
    const classes = tensor(Int32Array.from(labels));
    await gradCheck({ op: (x, c) => distanceLoss(x, classes, c, { reduction }), truth: truth(10), inputs, tolerance });
    await gradCheck({ op: (x, c) => centreLoss(x, classes, c, { reduction }), truth: truth(0), inputs, tolerance });
  });
});

describe('what does not fit is refused by name', () => {
  const refused: Record<string, [() => unknown, RegExp]> = {
    'a covariance of pictures': [
      () => covariance(zeros([1, 3, 3, 2])),
      /covariance: \[1, 3, 3, 2\].*\[batch, positions/s,
    ],
    'a covariance of one position': [() => covariance(zeros([2, 1, 4])), /at least two positions/],
    'a negative eps': [() => covariance(zeros([2, 3, 4]), { eps: -1 }), /eps is -1/],
    'a weight that widens': [() => covariance(zeros([2, 3, 4]), { weight: zeros([4, 5]) }), /k ≤ channels/],
    'biMap with another width': [() => biMap(zeros([2, 4, 4]), zeros([3, 2])), /biMap: \[2, 4, 4\] and \[3, 2\]/],
    'logEig of a rectangle': [() => logEig(zeros([2, 4, 3])), /symmetric matrices/],
    'a floor above the ceiling': [
      () => reEig(zeros([1, 2, 2]), { floor: 2, ceiling: 1 }),
      /floor 2 is not below ceiling 1/,
    ],
  };
  it.each(Object.entries(refused))('%s', (_, [attempt, message]) => {
    expect(attempt).toThrow(message);
  });

  it('shape complaints are ShapeErrors', () => {
    expect(() => logEig(zeros([3]))).toThrow(ShapeError);
  });
});
