import { ACTIVATIONS, type Activation, activationGradientKernel } from '../../kernels/elementwise/activation.ts';
import { ConfigError } from '../errors.ts';
import { Tensor } from '../tensor.ts';
import { runReduce } from './reduce.ts';

export type { Activation };

/** What a product applies to its result before storing it. */
export interface EpilogueOptions {
  /** Default 'none'. */
  activation?: Activation;
  /** Slope of leakyRelu below zero, ≥ 0; default 0.01. */
  negativeSlope?: number;
}

/** The same, resolved for kernels: the slope below zero is 1 without activation and 0 for relu. */
export interface Epilogue {
  readonly activation: number;
  readonly slope: number;
}

export const noEpilogue: Epilogue = { activation: 0, slope: 1 };

export function resolveEpilogue(op: string, options: EpilogueOptions): Epilogue {
  const { activation = 'none', negativeSlope = 0.01 } = options;
  const index = ACTIVATIONS.indexOf(activation);
  if (index < 0) {
    throw new ConfigError(`${op}: there is no activation ${JSON.stringify(activation)} here.`, {
      remedy: `Use one of ${ACTIVATIONS.join(', ')}.`,
    });
  }
  if (!(negativeSlope >= 0)) {
    throw new ConfigError(`${op}: negativeSlope is ${negativeSlope}.`, {
      remedy: 'Use a number ≥ 0: the gradient is computed from the output, whose sign must be that of the input.',
    });
  }
  return { activation: index, slope: activation === 'none' ? 1 : activation === 'leakyRelu' ? negativeSlope : 0 };
}

/** ∂L/∂(value before the activation) from ∂L/∂y and y itself. Without activation it is the gradient, as it came. */
export function throughActivation(gradient: Tensor, y: Tensor | undefined, epilogue: Epilogue): Tensor {
  if (!y) return gradient;
  const out = Tensor.empty(gradient.shape, { device: gradient.device, label: 'activation gradient' });
  out.device.run(
    activationGradientKernel,
    { gradient: gradient.storage, y: y.storage, out: out.storage },
    { size: out.size, ...epilogue },
  );
  return out;
}

/** Sum over all axes but the last, in a fixed order: [..., n] → [n]. */
export function columnSum(source: Tensor): Tensor {
  const n = source.shape[source.ndim - 1];
  const out = Tensor.empty([n], { device: source.device, label: 'column sum' });
  runReduce(
    source,
    source.shape.map((_, axis) => axis < source.ndim - 1),
    out,
  );
  return out;
}
