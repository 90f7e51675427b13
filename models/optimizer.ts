import { Adam } from '../engine/index.ts';
import type { Classifier } from './classifier.ts';
import type { Objective } from './objective.ts';

export interface OptimizerConfig {
  /** Learning rate of the first step; set `optimizer.lr` before each later one. Default 0.005. */
  readonly lr?: number;
  /** Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 0.1, as CovPoolFER trained; the usual Adam has 1e-8. */
  readonly eps?: number;
  /** Default 'tensorflow'. */
  readonly epsPlacement?: 'pytorch' | 'tensorflow';
  /** Coupled L2 on the weights of convolutions and FC layers alone. Default 0.05. */
  readonly weightDecay?: number;
}

/**
 * Adam with the paper's and CovPoolFER's settings over what is trained: the model without its frozen parts, and the
 * centres where the objective leaves them to the optimizer. BiMap weights stay orthonormal.
 */
export function createOptimizer(model: Classifier, objective: Objective, config: OptimizerConfig = {}): Adam {
  const { lr = 0.005, betas = [0.9, 0.999], eps = 0.1, epsPlacement = 'tensorflow', weightDecay = 0.05 } = config;
  const parameters = [...model.namedParameters(), ...objective.namedParameters()];
  return new Adam(parameters, { lr, betas, eps, epsPlacement, weightDecay });
}
