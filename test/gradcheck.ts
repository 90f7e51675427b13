import { expect } from 'vitest';
import { backward, noGrad, type Tensor, tensor } from '../engine/node.ts';
import { expectClose, type Tolerance } from './expect-close.ts';

export interface GradCheck {
  /** The engine's op on its inputs, in order. */
  readonly op: (...inputs: Tensor[]) => Tensor;
  /** The same function in float64 on the CPU, written from the formula. */
  readonly truth: (...inputs: Float64Array[]) => ArrayLike<number>;
  readonly inputs: readonly { readonly shape: readonly number[]; readonly data: ArrayLike<number> }[];
  /** Inputs that want no gradient, by index. */
  readonly constant?: readonly number[];
  readonly tolerance?: Tolerance;
  /** Half the step of the central difference; default 1e-4. */
  readonly step?: number;
}

/** Uniform in (−1, 1), the same for a seed everywhere; values are float32 so that both sides start alike. */
export function samples(n: number, seed = 1): Float32Array {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2147483648 - 1;
  });
}

/** `samples` with their shape, as gradCheck takes them. */
export const input = (shape: readonly number[], seed = 1) => ({
  shape,
  data: samples(
    shape.reduce((n, d) => n * d, 1),
    seed,
  ),
});

/**
 * Compares the op's output with the truth's, and its gradients, for a random ∂L/∂output, with central differences of
 * the truth: (L(x + h) − L(x − h)) / 2h. As a negative control each comparison must fail once its largest gradient is
 * moved by 2 %.
 */
export async function gradCheck(check: GradCheck): Promise<void> {
  const { tolerance = {}, step = 1e-4, constant = [] } = check;
  const values = check.inputs.map(({ data }) => Float64Array.from(data));
  const leaves = check.inputs.map(({ shape, data }, i) =>
    tensor(Float32Array.from(data), shape, { requiresGrad: !constant.includes(i) }),
  );
  const output = check.op(...leaves);
  const weights = samples(output.size, 77);
  expectClose(await output.floats(), check.truth(...values), { ...tolerance, label: 'forward' });
  backward(
    output,
    noGrad(() => tensor(weights, output.shape)),
  );
  const loss = (): number => {
    const y = check.truth(...values);
    let sum = 0;
    for (let i = 0; i < weights.length; i++) sum += weights[i] * y[i];
    return sum;
  };
  for (const [i, leaf] of leaves.entries()) {
    if (constant.includes(i)) continue;
    const x = values[i];
    const numeric = new Float64Array(x.length);
    for (let j = 0; j < x.length; j++) {
      const at = x[j];
      x[j] = at + step;
      const above = loss();
      x[j] = at - step;
      numeric[j] = (above - loss()) / (2 * step);
      x[j] = at;
    }
    if (!leaf.grad) throw new Error(`input ${i} got no gradient`);
    const found = await leaf.grad.floats();
    const label = `gradient of input ${i}`;
    expectClose(found, numeric, { rtol: 1e-4, atol: 2e-5, ...tolerance, label });
    let largest = 0;
    numeric.forEach((v, j) => {
      if (Math.abs(v) > Math.abs(numeric[largest])) largest = j;
    });
    const moved = Float32Array.from(found);
    moved[largest] *= 1.02;
    expect(() => expectClose(moved, numeric, { rtol: 1e-4, atol: 2e-5, ...tolerance, label })).toThrow(label);
  }
}
