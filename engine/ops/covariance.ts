import {
  addDiagonalKernel,
  addScaledSamplesKernel,
  centrePositionsKernel,
  squaredNormKernel,
  symmetriseKernel,
  traceKernel,
} from '../../kernels/covariance/covariance.ts';
import { ConfigError } from '../errors.ts';
import { sizeOf, Tensor } from '../tensor.ts';
import { runMatmul } from './matmul.ts';
import { apply, defineOp, shapeError } from './op.ts';

/** Batches of square matrices, with any leading dimensions. */
export const batchOf = (matrices: Tensor): number => sizeOf(matrices.shape.slice(0, -2));

/** scale (M + Mᵀ) + diagonalScale · diagonal[b] · I. */
export function symmetrised(matrices: Tensor, scale = 0.5, diagonal?: Tensor, diagonalScale = 0): Tensor {
  const out = Tensor.empty(matrices.shape, { device: matrices.device, label: 'symmetric' });
  const n = matrices.shape[matrices.ndim - 1];
  matrices.device.run(
    symmetriseKernel,
    { matrix: matrices.storage, diagonal: diagonal?.storage, out: out.storage },
    { batch: batchOf(matrices), n, scale, diagonalScale },
  );
  return out;
}

/** The trace of each matrix, [batch]. */
function traces(matrices: Tensor): Tensor {
  const out = Tensor.empty([batchOf(matrices)], { device: matrices.device, label: 'trace' });
  const n = matrices.shape[matrices.ndim - 1];
  matrices.device.run(traceKernel, { matrix: matrices.storage, out: out.storage }, { batch: batchOf(matrices), n });
  return out;
}

/** scale · (x − mean over positions). */
export function centredPositions(x: Tensor, scale: number): Tensor {
  const [batch, positions, channels] = x.shape;
  const out = Tensor.empty(x.shape, { device: x.device, label: 'centred' });
  x.device.run(centrePositionsKernel, { x: x.storage, out: out.storage }, { batch, positions, channels, scale });
  return out;
}

export const empty = (like: Tensor, shape: readonly number[], label: string): Tensor =>
  Tensor.empty(shape, { device: like.device, label });

export interface CovarianceAttributes {
  readonly eps: number;
  /** Receives tr(C) of each sample. */
  readonly trace: Tensor | undefined;
}

/**
 * A = WᵀCW + ε tr(C) I, C = XcᵀXc / (n − 1); W = I when left out. With Xs = Xc / √(n − 1) and P = Xs W: A = PᵀP + ε‖Xs‖² I.
 * Backward for a gradient G: P̄ = P (G + Gᵀ), W̄ = Xsᵀ P̄, X̄ = (P̄ Wᵀ + 2ε tr(G) Xs) / √(n − 1), centred already.
 */
export const covarianceOp = defineOp<CovarianceAttributes>({
  name: 'covariance',
  outputShape: ([x, w]) => {
    if (x.length !== 3) throw shapeError('covariance', [x], 'Needed: [batch, positions, channels].');
    if (x[1] < 2) throw shapeError('covariance', [x], 'A covariance needs at least two positions.');
    if (w && (w.length !== 2 || w[0] !== x[2] || w[1] > w[0])) {
      throw shapeError('covariance', [x, w], 'The weight is [channels, k] with k ≤ channels and orthonormal columns.');
    }
    const k = w ? w[1] : x[2];
    return [x[0], k, k];
  },
  forward: ([x, w], out, { eps, trace = empty(x, [x.shape[0]], 'covariance trace') }) => {
    const [batch, positions, channels] = x.shape;
    const n = out.shape[1];
    const centred = centredPositions(x, 1 / Math.sqrt(positions - 1));
    const projected = w ? empty(x, [batch, positions, n], 'projected') : centred;
    if (w) {
      const rows = batch * positions;
      runMatmul(centred.alias([rows, channels]), w, projected.alias([rows, n]), false, false);
    }
    runMatmul(projected, projected, out, true, false);
    x.device.run(squaredNormKernel, { x: centred.storage, out: trace.storage }, { batch, size: positions * channels });
    x.device.run(addDiagonalKernel, { amount: trace.storage, out: out.storage }, { batch, n, scale: eps });
    return w ? [centred, projected, w] : [centred];
  },
  backward: (gradient, [centred, projected, w], { eps }, { needs }) => {
    const [batch, positions, channels] = centred.shape;
    const scale = 1 / Math.sqrt(positions - 1);
    const ofTrace = traces(gradient);
    if (!projected || !w) {
      const matrix = symmetrised(gradient, scale, ofTrace, 2 * eps * scale);
      const out = empty(centred, centred.shape, 'covariance gradient');
      runMatmul(centred, matrix, out, false, false);
      return [out];
    }
    const rows = batch * positions;
    const k = projected.shape[2];
    const ofProjected = empty(centred, projected.shape, 'projected gradient');
    runMatmul(projected, symmetrised(gradient, 1), ofProjected, false, false);
    const ofWeight = needs[1] ? empty(w, w.shape, 'covariance weight gradient') : undefined;
    if (ofWeight) {
      runMatmul(centred.alias([rows, channels]), ofProjected.alias([rows, k]), ofWeight, true, false);
    }
    if (!needs[0]) return [undefined, ofWeight];
    const ofCentred = empty(centred, [rows, channels], 'centred gradient');
    runMatmul(ofProjected.alias([rows, k]), w, ofCentred, false, true);
    const out = empty(centred, centred.shape, 'covariance gradient');
    centred.device.run(
      addScaledSamplesKernel,
      { base: ofCentred.storage, amount: ofTrace.storage, x: centred.storage, out: out.storage },
      { batch, size: positions * channels, scale, factor: 2 * eps },
    );
    return [out, ofWeight];
  },
});

export interface CovarianceOptions {
  /** ε of the regulariser ε tr(C) I; default 1e-4. */
  readonly eps?: number;
  /** Orthonormal columns [channels, k]: the result is WᵀCW + ε tr(C) I, which equals Wᵀ(C + ε tr(C) I)W. */
  readonly weight?: Tensor | undefined;
}

/**
 * Covariance pooling: x [batch, positions, channels] → C + ε tr(C) I [batch, channels, channels], C the unbiased covariance of the channels over
 * the positions (Acharya et al. 2018, arXiv 1805.04855). Needs two positions or more.
 */
export function covariance(x: Tensor, options: CovarianceOptions = {}): Tensor {
  return covarianceWithTrace(x, options).covariance;
}

/** Like `covariance`, with tr(C) of each sample [batch] beside it, off the tape. */
export function covarianceWithTrace(
  x: Tensor,
  { eps = 1e-4, weight }: CovarianceOptions = {},
): { covariance: Tensor; trace: Tensor } {
  if (!(eps >= 0)) {
    throw new ConfigError(`covariance: eps is ${eps}.`, { remedy: 'It is a number ≥ 0; the usual value is 1e-4.' });
  }
  const trace = Tensor.empty([x.shape[0] ?? 0], { device: x.device, label: 'covariance trace' });
  return { covariance: apply(covarianceOp, weight ? [x, weight] : [x], { eps, trace }), trace };
}
