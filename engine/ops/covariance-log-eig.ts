import { certifyKernel } from '../../kernels/covariance/covariance.ts';
import { selectSamplesKernel } from '../../kernels/spectral/select-samples.ts';
import { ConfigError } from '../errors.ts';
import { platform } from '../platform.ts';
import { Tensor } from '../tensor.ts';
import { biMap } from './bi-map.ts';
import { covariance, covarianceWithTrace } from './covariance.ts';
import { lowRankLogEigOp } from './low-rank-log-eig.ts';
import { matmul } from './matmul.ts';
import { apply, defineOp, shapeError } from './op.ts';
import { type ClampOptions, logEig, reEig } from './spectral.ts';

/** yes where `choose` is not 0, no elsewhere, per sample; an absent side counts as zeros. */
function selectSamples(choose: Tensor, yes: Tensor | undefined, no: Tensor | undefined, out: Tensor): void {
  const batch = choose.size;
  out.device.run(
    selectSamplesKernel,
    { choose: choose.storage, yes: yes?.storage, no: no?.storage, out: out.storage },
    { batch, size: out.size / batch, hasYes: Number(yes !== undefined), hasNo: Number(no !== undefined) },
  );
}

/** Per sample: yes where `choose` is not 0, no elsewhere. Inputs: yes, no [batch, ...]. */
export const chooseSamplesOp = defineOp<{ readonly choose: Tensor }>({
  name: 'chooseSamples',
  outputShape: ([yes, no], { choose }) => {
    const fits = yes.length === no.length && yes.every((d, i) => d === no[i]) && choose.size === yes[0];
    if (!fits)
      throw shapeError('chooseSamples', [yes, no, choose.shape], 'Needed: two equal shapes, one flag a sample.');
    return yes;
  },
  forward: ([yes, no], out, { choose }) => {
    selectSamples(choose, yes, no, out);
    return [];
  },
  backward: (gradient, _saved, { choose }, { needs }) => {
    const side = (yes: boolean): Tensor => {
      const out = Tensor.empty(gradient.shape, { device: gradient.device, label: 'chooseSamples gradient' });
      selectSamples(choose, yes ? gradient : undefined, yes ? undefined : gradient, out);
      return out;
    };
    return [needs[0] ? side(true) : undefined, needs[1] ? side(false) : undefined];
  },
});

export interface CovarianceLogEigOptions extends ClampOptions {
  /** ε of the regulariser ε tr(C) I. Default 1e-4. */
  readonly eps?: number;
  /**
   * `full`: every matrix, every decomposition, as the layers are written. `auto` (default): the same values with the work left out that can be proved
   * to change nothing. COVARIANCE_PATH=full turns `auto` off everywhere.
   */
  readonly path?: 'auto' | 'full';
}

/** 1 (u32) for each sample whose eigenvalues provably stay inside [floor, ceiling] through any orthonormal BiMap. */
function certified(trace: Tensor, eps: number, floor: number, ceiling: number): Tensor {
  const batch = trace.size;
  const out = Tensor.empty([batch], { dtype: 'u32', device: trace.device, label: 'certified' });
  const largest = Math.min(ceiling, 3e38);
  trace.device.run(certifyKernel, { trace: trace.storage, out: out.storage }, { batch, eps, floor, ceiling: largest });
  return out;
}

/**
 * The covariance head: x [batch, positions, channels] → covariance → (BiMap → ReEig) for each weight → LogEig, [batch, k, k]. The weights have orthonormal
 * columns ([channels, k1], [k1, k2], …), kept so by `stiefelRetract`; their gradients are right up to the normal part that `stiefelTangent` removes.
 *
 * On the `auto` path (docs/covariance-pooling.md):
 * - WᵀAW = (Xs W)ᵀ(Xs W) + ε tr(C) I for the first weight, so the covariance of all channels is never formed;
 * - ReEig does nothing to a sample with ε tr(C) ≥ floor and (1 + ε) tr(C) ≤ ceiling. This is decided on the GPU, sample by sample, at every run:
 *   the eigendecomposition of a certified sample ends at once, any other sample is decomposed. No host decision, no approximation;
 * - with fewer positions than columns, a certified sample takes the low-rank logarithm instead of a decomposition.
 */
export function covarianceLogEig(
  x: Tensor,
  weights: readonly Tensor[],
  { eps = 1e-4, floor = 1e-4, ceiling = 1e4, path = 'auto' }: CovarianceLogEigOptions = {},
): Tensor {
  const forced = platform().env('COVARIANCE_PATH');
  if (forced !== undefined && forced !== 'auto' && forced !== 'full') {
    throw new ConfigError(`COVARIANCE_PATH=${forced} is not a path.`, { remedy: 'It is auto or full.' });
  }
  if (path === 'full' || forced === 'full') {
    let a = covariance(x, { eps });
    weights.forEach((weight, i) => {
      if (i > 0) a = reEig(a, { floor, ceiling });
      a = biMap(a, weight);
    });
    return logEig(a, { floor, ceiling });
  }
  const [first, ...others] = weights;
  const { covariance: start, trace } = covarianceWithTrace(x, { eps, weight: first });
  const skip = certified(trace, eps, floor, ceiling);
  let a = start;
  for (const weight of others) a = biMap(reEig(a, { floor, ceiling, skip }), weight);
  const width = a.shape[a.ndim - 1];
  if (x.shape[1] >= width) return logEig(a, { floor, ceiling });
  const weight = others.reduce<Tensor | undefined>((product, w) => (product ? matmul(product, w) : w), first);
  const lowRank = apply(lowRankLogEigOp, weight ? [x, weight] : [x], { eps });
  return apply(chooseSamplesOp, [lowRank, logEig(a, { floor, ceiling, skip })], { choose: skip });
}
