import {
  centreUpdateKernel,
  distanceLossCentresKernel,
  distanceLossFeaturesKernel,
  distanceLossKernel,
} from '../../kernels/loss/distance-loss.ts';
import { Tensor } from '../tensor.ts';
import { copyInto } from './arithmetic.ts';
import { apply, defineOp, shapeError } from './op.ts';
import { requireDtype } from './shapes.ts';

/**
 * How the squared distances to the centres are summed up: `batchMean` ½ Σ / B (the authors of centre loss in Caffe), `sum` ½ Σ (as
 * printed), `elementMean` Σ / (B · width) (CovPoolFER). sum with λ equals batchMean with λB and elementMean with λ·B·width / 2.
 */
export type CentreReduction = 'batchMean' | 'sum' | 'elementMean';

export interface DistanceLossAttributes {
  readonly lambda1: number;
  readonly reduction: CentreReduction;
}

const weightOf = (reduction: CentreReduction, batch: number, width: number): number =>
  reduction === 'sum' ? 0.5 : reduction === 'batchMean' ? 0.5 / batch : 1 / (batch * width);

const checkShapes = (
  op: string,
  features: readonly number[],
  labels: readonly number[],
  centres: readonly number[],
) => {
  const fits = features.length === 2 && labels.length === 1 && centres.length === 2;
  if (!fits || labels[0] !== features[0] || centres[1] !== features[1] || features[0] < 1) {
    throw shapeError(
      op,
      [features, labels, centres],
      'Needed: features [batch, width], labels [batch] and centres [classes, width].',
    );
  }
};

const checkDtypes = (op: string, features: Tensor, labels: Tensor, centres: Tensor): void => {
  requireDtype(op, 'its features', features, 'f32');
  requireDtype(op, 'its labels', labels, 'i32', 'u32');
  requireDtype(op, 'its centres', centres, 'f32');
};

/** Inputs: features [batch, width], labels [batch] (i32), centres [classes, width]. */
export const distanceLossOp = defineOp<DistanceLossAttributes>({
  name: 'distanceLoss',
  inputDtypes: 'any',
  outputShape: ([features, labels, centres]) => {
    checkShapes('distanceLoss', features, labels, centres);
    return [];
  },
  forward: ([features, labels, centres], out, { lambda1, reduction }) => {
    checkDtypes('distanceLoss', features, labels, centres);
    const [batch, width] = features.shape;
    out.device.run(
      distanceLossKernel,
      { features: features.storage, labels: labels.storage, centres: centres.storage, out: out.storage },
      { batch, classes: centres.shape[0], width, weight: weightOf(reduction, batch, width), repulsion: lambda1 },
    );
    return [features, labels, centres];
  },
  backward: (gradient, [features, labels, centres], { lambda1, reduction }, { needs }) => {
    const [batch, width] = features.shape;
    const { device } = features;
    const weight = weightOf(reduction, batch, width);
    const inputs = {
      features: features.storage,
      labels: labels.storage,
      centres: centres.storage,
      gradient: gradient.storage,
    };
    let ofFeatures: Tensor | undefined;
    let ofCentres: Tensor | undefined;
    if (needs[0]) {
      ofFeatures = Tensor.empty(features.shape, { device, label: 'distanceLoss gradient' });
      device.run(distanceLossFeaturesKernel, { ...inputs, out: ofFeatures.storage }, { batch, width, weight });
    }
    if (needs[2]) {
      ofCentres = Tensor.empty(centres.shape, { device, label: 'distanceLoss centre gradient' });
      device.run(
        distanceLossCentresKernel,
        { ...inputs, out: ofCentres.storage },
        { batch, classes: centres.shape[0], width, weight, repulsion: lambda1 },
      );
    }
    return [ofFeatures, undefined, ofCentres];
  },
});

export interface DistanceLossOptions {
  /** Weight of the repulsion between centres; 0 is the centre loss. Default 10, as in island loss. */
  readonly lambda1?: number;
  /** Default batchMean. */
  readonly reduction?: CentreReduction;
}

/**
 * Distance loss (equation 4 of Feature Guided CNN for Baby's Facial Expression Recognition; island loss, Cai et al. 2017, arXiv 1710.03144,
 * with a distance for its cosine): centre loss + λ1 Σ_{j ≠ k} 1 / (|c_j − c_k| + 1) over ordered pairs.
 *
 * features [batch, width], labels [batch] (i32), centres [classes, width] → one number. The repulsion has no gradient by the features: it acts
 * through the centres, which either get a gradient here (`requiresGrad`, an optimiser moves them) or are moved by `updateCentres`.
 */
export function distanceLoss(
  features: Tensor,
  labels: Tensor,
  centres: Tensor,
  { lambda1 = 10, reduction = 'batchMean' }: DistanceLossOptions = {},
): Tensor {
  return apply(distanceLossOp, [features, labels, centres], { lambda1, reduction });
}

/** Centre loss (Wen et al. 2016): the distance loss without repulsion. */
export const centreLoss = (
  features: Tensor,
  labels: Tensor,
  centres: Tensor,
  { reduction = 'batchMean' }: { readonly reduction?: CentreReduction } = {},
): Tensor => apply(distanceLossOp, [features, labels, centres], { lambda1: 0, reduction });

/**
 * Moves the centres once, in place and off the tape: c_j ← c_j − α [Σ_{y_i = j} (c_j − x_i) / (1 + n_j) + λ1 ∂R/∂c_j]. The second term is not in Wen's
 * update; without it the repulsion would be a constant for the network.
 */
export function updateCentres(
  features: Tensor,
  labels: Tensor,
  centres: Tensor,
  { alpha = 0.5, lambda1 = 10 }: { readonly alpha?: number; readonly lambda1?: number } = {},
): void {
  checkShapes('updateCentres', features.shape, labels.shape, centres.shape);
  checkDtypes('updateCentres', features, labels, centres);
  const [batch, width] = features.shape;
  // A centre's step looks at the other centres where they were: into a second tensor first.
  const moved = Tensor.empty(centres.shape, { device: centres.device, label: 'moved centres' });
  centres.device.run(
    centreUpdateKernel,
    { features: features.storage, labels: labels.storage, centres: centres.storage, out: moved.storage },
    { batch, classes: centres.shape[0], width, repulsion: lambda1, alpha },
  );
  copyInto(centres, moved);
  moved.dispose();
}
