import {
  add,
  affine,
  backward,
  cat,
  correctCount,
  fill,
  noGrad,
  type Optimizer,
  type Program,
  program,
  type ScalarLog,
  type Tensor,
} from '../engine/index.ts';
import type { Classifier } from './classifier.ts';
import type { Objective } from './objective.ts';

/** One pass over the network. */
export interface Batch {
  /** Preprocessed pictures [batch, height, width, 3]. */
  readonly images: Tensor;
  /** [batch] i32. */
  readonly labels: Tensor;
  /** [batch, classes] soft targets, where the cross-entropy has them. */
  readonly targets?: Tensor | undefined;
}

export interface TrainStepOptions {
  readonly model: Classifier;
  readonly objective: Objective;
  readonly optimizer: Optimizer;
  /**
   * The micro-batches of one step, of one size each: called while the step is traced, so augmentation belongs in here.
   * Their gradients add up to that of the whole batch: exactly, but for rounding, where no layer looks at the batch;
   * batch norm takes its statistics from each micro-batch by itself.
   */
  readonly batches: readonly (() => Batch)[];
  /** `images` are what the extractor made of the pictures (cached features). Default false. */
  readonly extracted?: boolean;
  /** Gets a row of the results at every step, to be fetched without waiting. */
  readonly log?: ScalarLog<keyof StepResult>;
  /** Runs the operations one by one instead of replaying them; the results are the same bits. */
  readonly eager?: boolean;
}

/** One-element tensors, means over the whole batch. The program overwrites them at its next run. */
export interface StepResult {
  readonly loss: Tensor;
  readonly crossEntropy: Tensor;
  /** The centre or distance loss before λ. */
  readonly distance: Tensor;
  /** Pictures whose largest logit is that of their label. */
  readonly correct: Tensor;
}

interface Pass {
  readonly features: Tensor;
  readonly labels: Tensor;
  readonly results: StepResult;
}

/** Forward and backward over all micro-batches; the gradients stand in the parameters' `grad`. */
export function accumulateGradients(options: Omit<TrainStepOptions, 'optimizer'>): Pass[] {
  const { model, objective, batches, extracted = false } = options;
  const share = 1 / batches.length;
  return batches.map((next) => {
    const { images, labels, targets } = next();
    const { features, logits } = model.classify(extracted ? images : model.extract(images));
    const parts = objective.parts(features, logits, labels, { targets, passes: batches.length });
    backward(parts.loss, fill([], share));
    return { features, labels, results: { ...parts, correct: correctCount(logits, labels) } };
  });
}

function step(options: TrainStepOptions): StepResult {
  const { objective, optimizer } = options;
  const passes = accumulateGradients(options);
  optimizer.step();
  return noGrad(() => {
    const joined = (of: (pass: Pass) => Tensor): Tensor =>
      passes.length === 1 ? of(passes[0]) : cat(passes.map(of), 0);
    objective.moveCentres(
      joined((pass) => pass.features),
      joined((pass) => pass.labels),
    );
    const total = (of: keyof StepResult, scale: number): Tensor =>
      affine(passes.map((pass) => pass.results[of]).reduce(add), scale);
    const share = 1 / passes.length;
    const results = {
      loss: total('loss', share),
      crossEntropy: total('crossEntropy', share),
      distance: total('distance', share),
      correct: total('correct', 1),
    };
    options.log?.record(results);
    return results;
  });
}

/**
 * A training step as a program: forward, backward, optimiser, centres. Write new pictures into the tensors that
 * `batches` reads and set `optimizer.lr`, then run it.
 */
export function trainStep(options: TrainStepOptions): Program<StepResult> {
  options.model.train();
  return program(() => step(options), { eager: options.eager });
}
