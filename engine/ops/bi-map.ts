import type { Tensor } from '../tensor.ts';
import { batchOf, empty, symmetrised } from './covariance.ts';
import { runMatmul } from './matmul.ts';
import { apply, defineOp, shapeError } from './op.ts';

/**
 * Y = WᵀAW. T = WᵀA is kept as [batch · k, d], so that Y = T W and W̄ = Tᵀ (Ȳ + Ȳᵀ) are one product each; Ā = W Ȳ Wᵀ
 * (Huang & Van Gool 2017, arXiv 1608.04233).
 */
export const biMapOp = defineOp<Record<string, never>>({
  name: 'biMap',
  outputShape: ([a, w]) => {
    const d = a[a.length - 1];
    if (a.length < 2 || a[a.length - 2] !== d || w.length !== 2 || w[0] !== d || w[1] > d) {
      throw shapeError('biMap', [a, w], 'Needed: symmetric matrices [..., d, d] and a weight [d, k] with k ≤ d.');
    }
    return [...a.slice(0, -2), w[1], w[1]];
  },
  forward: ([a, w], out) => {
    const batch = batchOf(a);
    const [d, k] = w.shape;
    const half = empty(a, [batch, k, d], 'biMap half');
    runMatmul(w, a.alias([batch, d, d]), half, true, false);
    runMatmul(half.alias([batch * k, d]), w, out.alias([batch * k, k]), false, false);
    return [half, w];
  },
  backward: (gradient, [half, w], _attributes, { inputShapes, needs }) => {
    const [batch, k, d] = half.shape;
    let ofMatrix: Tensor | undefined;
    let ofWeight: Tensor | undefined;
    if (needs[0]) {
      const right = empty(w, [batch * k, d], 'biMap half gradient');
      runMatmul(gradient.alias([batch * k, k]), w, right, false, true);
      ofMatrix = empty(w, inputShapes[0], 'biMap gradient');
      runMatmul(w, right.alias([batch, k, d]), ofMatrix.alias([batch, d, d]), false, false);
    }
    if (needs[1]) {
      const twice = symmetrised(gradient, 1).alias([batch * k, k]);
      ofWeight = empty(w, w.shape, 'biMap weight gradient');
      runMatmul(half.alias([batch * k, d]), twice, ofWeight, true, false);
    }
    return [ofMatrix, ofWeight];
  },
});

/** Y = WᵀAW: symmetric matrices a [..., d, d] and a weight [d, k] → [..., k, k]. */
export const biMap = (a: Tensor, weight: Tensor): Tensor => apply(biMapOp, [a, weight], {});
