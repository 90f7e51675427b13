import { addScaledSamplesKernel, squaredNormKernel } from '../../kernels/covariance/covariance.ts';
import {
  lowRankAddKernel,
  lowRankDiagonalKernel,
  lowRankFloorKernel,
  lowRankLoewnerKernel,
  lowRankScaleKernel,
} from '../../kernels/spectral/low-rank-log.ts';
import { rowSvdKernel } from '../../kernels/spectral/row-svd.ts';
import type { Tensor } from '../tensor.ts';
import { centredPositions, covarianceOp, empty, symmetrised } from './covariance.ts';
import { runMatmul } from './matmul.ts';
import { defineOp } from './op.ts';

/**
 * log(WᵀCW + e I) with e = ε tr(C), for fewer positions n than columns k. With P = Xs W = Q diag(√θ) U (U [n, k], orthonormal rows):
 *
 *   forward   Y = log(e) I + Uᵀ diag(log1p(θ / e)) U
 *   backward  for symmetric G: H = U G Uᵀ, s = θ + e, L_ij = log[s_i, s_j], D_i = log[s_i, e] (divided differences)
 *             P̄ = 2 (P Uᵀ) [((L − D) ∘ H) U + D U G],  ē = tr(G) / e − Σ H_ii θ_i / (s_i e)
 *
 * so that nothing of size k × k is decomposed. Equal to the full path where no eigenvalue is clamped and WᵀW = I.
 */
export const lowRankLogEigOp = defineOp<{ readonly eps: number }>({
  name: 'lowRankLogEig',
  outputShape: (shapes, { eps }) => covarianceOp.outputShape(shapes, { eps, trace: undefined }),
  forward: ([x, w], out, { eps }) => {
    const [batch, rows, channels] = x.shape;
    const width = out.shape[1];
    const { device } = x;
    const centred = centredPositions(x, 1 / Math.sqrt(rows - 1));
    const trace = empty(x, [batch], 'covariance trace');
    device.run(squaredNormKernel, { x: centred.storage, out: trace.storage }, { batch, size: rows * channels });
    const projected = w ? empty(x, [batch, rows, width], 'projected') : centred;
    if (w) runMatmul(centred, w, projected, false, false);
    const values = empty(x, [batch, rows], 'singular values squared');
    const vectors = empty(x, [batch, rows, width], 'right singular vectors');
    device.run(
      rowSvdKernel,
      { matrix: projected.storage, values: values.storage, vectors: vectors.storage },
      { batch, rows, width },
    );
    const scaled = empty(x, vectors.shape, 'scaled vectors');
    const buffers = { values: values.storage, trace: trace.storage };
    const params = { batch, rows, width, eps };
    device.run(lowRankScaleKernel, { ...buffers, vectors: vectors.storage, out: scaled.storage }, params);
    runMatmul(vectors, scaled, out, true, false);
    device.run(lowRankDiagonalKernel, { ...buffers, out: out.storage }, params);
    return [centred, trace, values, vectors, ...(w ? [projected, w] : [])];
  },
  backward: (gradient, [centred, trace, values, vectors, projected, w], { eps }, { needs }) => {
    const [batch, rows, channels] = centred.shape;
    const width = vectors.shape[2];
    const { device } = gradient;
    const make = (shape: readonly number[]): Tensor => empty(gradient, shape, 'lowRankLogEig gradient');
    const buffers = { values: values.storage, trace: trace.storage };
    const params = { batch, rows, width, eps };
    const symmetric = symmetrised(gradient, 1); // 2 G: takes the factor 2 of P̄ along, and doubles ē
    const left = make(vectors.shape); // U G
    runMatmul(vectors, symmetric, left, false, false);
    const inner = make([batch, rows, rows]); // H
    runMatmul(left, vectors, inner, false, true);
    const weighted = make(inner.shape);
    device.run(lowRankLoewnerKernel, { ...buffers, inner: inner.storage, out: weighted.storage }, params);
    const turned = make(vectors.shape);
    runMatmul(weighted, vectors, turned, false, false);
    device.run(lowRankAddKernel, { ...buffers, vectors: left.storage, out: turned.storage }, params);
    const ofFloor = make([batch]);
    device.run(
      lowRankFloorKernel,
      { ...buffers, vectors: symmetric.storage, inner: inner.storage, out: ofFloor.storage },
      params,
    );
    const factor = projected ?? centred;
    const overlap = make(inner.shape); // P Uᵀ
    runMatmul(factor, vectors, overlap, false, true);
    const ofProjected = make(factor.shape);
    runMatmul(overlap, turned, ofProjected, false, false);
    let ofCentred = ofProjected;
    if (w) {
      ofCentred = make(centred.shape);
      runMatmul(ofProjected, w, ofCentred, false, true);
    }
    const out = make(centred.shape); // (P̄ Wᵀ + 2 ε ē Xs) / √(n − 1)
    device.run(
      addScaledSamplesKernel,
      { base: ofCentred.storage, amount: ofFloor.storage, x: centred.storage, out: out.storage },
      { batch, size: rows * channels, scale: 1 / Math.sqrt(rows - 1), factor: eps },
    );
    if (!w || !needs[1]) return [out];
    const ofWeight = make(w.shape);
    const flat = batch * rows;
    runMatmul(centred.alias([flat, channels]), ofProjected.alias([flat, width]), ofWeight, true, false);
    return [out, ofWeight];
  },
});
