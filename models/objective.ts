import {
  add,
  affine,
  centreLoss,
  crossEntropy,
  distanceLoss,
  Generator,
  Module,
  Parameter,
  type Tensor,
  updateCentres,
} from '../engine/index.ts';
import type { Classifier } from './classifier.ts';
import type { ClassifierName } from './classifiers.ts';

export interface ObjectiveOptions {
  /** λ: weight of the centre or distance loss beside the cross-entropy. Default 0.01, for vgg16 0. */
  readonly lambda?: number;
  /** λ₁: weight of the repulsion between centres; 0 is the plain centre loss. Default 10, for dlp and baseline 0. */
  readonly lambda1?: number;
  /** Default batchMean (½ · mean of the squared distances over the batch). */
  readonly reduction?: 'batchMean' | 'sum' | 'elementMean';
  /** Who moves the centres: their own moving average, or the optimiser as a parameter. Default movingAverage. */
  readonly centres?: 'movingAverage' | 'adam';
  /** Step of the moving average. Default 0.5. */
  readonly alpha?: number;
  /** Deviation of the initial centres. Default 0.01. */
  readonly centresStd?: number;
  readonly seed?: number;
}

export interface ObjectiveParts {
  readonly loss: Tensor;
  readonly crossEntropy: Tensor;
  /** The centre or distance loss before λ. */
  readonly distance: Tensor;
}

/** Cross-entropy + λ · (centre loss + λ₁ · repulsion), and the class centres that belong to it (state key `centres`). */
export class Objective extends Module {
  readonly options: Required<Omit<ObjectiveOptions, 'seed'>>;
  /** [classes, features]. */
  readonly centres: Parameter;

  constructor(classes: number, features: number, options: ObjectiveOptions = {}) {
    super();
    const { lambda = 0.01, lambda1 = 10, reduction = 'batchMean', centres = 'movingAverage' } = options;
    const { alpha = 0.5, centresStd = 0.01, seed = 0 } = options;
    this.options = { lambda, lambda1, reduction, centres, alpha, centresStd };
    const start = new Generator(seed).normal(classes * features, 0, centresStd);
    const role = { role: 'centre', requiresGrad: centres === 'adam', label: 'centres' } as const;
    this.centres = new Parameter(start, [classes, features], role);
  }

  /**
   * @param features [batch, features]
   * @param logits [batch, classes]
   * @param labels [batch] i32, the class whose centre a picture belongs to
   * @param options.targets [batch, classes] soft targets for the cross-entropy; the labels where left out
   * @param options.passes how many micro-batches there are, whose losses will be averaged
   */
  parts(
    features: Tensor,
    logits: Tensor,
    labels: Tensor,
    options: { targets?: Tensor | undefined; passes?: number } = {},
  ): ObjectiveParts {
    const { lambda, lambda1, reduction } = this.options;
    const { targets = labels, passes = 1 } = options;
    const softmaxLoss = crossEntropy(logits, targets);
    let distance = distanceLoss(features, labels, this.centres, { lambda1, reduction });
    if (reduction === 'sum' && passes > 1) {
      // a sum over the batch must not be averaged over its parts
      distance = add(distance, affine(centreLoss(features, labels, this.centres, { reduction }), passes - 1));
    }
    return { loss: add(softmaxLoss, affine(distance, lambda)), crossEntropy: softmaxLoss, distance };
  }

  /** Moves the centres after a step; nothing to do where the optimiser does. Off the tape. */
  moveCentres(features: Tensor, labels: Tensor): void {
    const { centres, alpha, lambda1 } = this.options;
    if (centres === 'movingAverage') updateCentres(features, labels, this.centres, { alpha, lambda1 });
  }

  forward(features: Tensor, logits: Tensor, labels: Tensor): Tensor {
    return this.parts(features, logits, labels).loss;
  }
}

/** The paper's loss for each model: centre loss alone, distance loss, or cross-entropy alone. */
const defaults: Readonly<Record<ClassifierName, ObjectiveOptions>> = {
  dlp: { lambda1: 0 },
  baseline: { lambda1: 0 },
  'so-dl': {},
  'so-dlse': {},
  'vfeso-dlse': {},
  vgg16: { lambda: 0, lambda1: 0 },
};

/** What `createObjective` gives a model where its options are left out. */
export const objectiveDefaults = (name: ClassifierName): Required<Pick<ObjectiveOptions, 'lambda' | 'lambda1'>> => ({
  lambda: 0.01,
  lambda1: 10,
  ...defaults[name],
});

/** The objective of a model with the paper's choice of loss for it. */
export function createObjective(model: Classifier, options: ObjectiveOptions = {}): Objective {
  return new Objective(model.config.classes, model.features, { ...objectiveDefaults(model.name), ...options });
}
