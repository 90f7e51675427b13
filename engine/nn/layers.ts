import { ConfigError } from '../errors.ts';
import { add, div, mul, sub } from '../ops/arithmetic.ts';
import { type Conv2dOptions, type ConvTranspose2dOptions, conv2d, convTranspose2d } from '../ops/conv.ts';
import { conv2dMaxPool2d } from '../ops/conv-pool.ts';
import type { EpilogueOptions } from '../ops/epilogue.ts';
import { linear } from '../ops/linear.ts';
import { batchNorm, instanceNorm } from '../ops/norm.ts';
import { batchNormMaxPool2d } from '../ops/norm-pool.ts';
import { maxPool2d } from '../ops/pool.ts';
import { neg, reciprocal, sqrt } from '../ops/unary.ts';
import { platform } from '../platform.ts';
import { defaultGenerator, type Generator } from '../random.ts';
import { gradEnabled } from '../tape.ts';
import { scope, type Tensor } from '../tensor.ts';
import { type Initializer, kaimingUniform } from './init.ts';
import { Module } from './module.ts';
import { convLayout, convTransposeLayout, type Layout, linearLayout, Parameter } from './parameter.ts';

/** What layers with a weight have in common. */
export interface WeightOptions {
  /** Default true. `fixed`: in the state dict and added, but never trained. */
  readonly bias?: boolean | 'fixed';
  /** Default kaimingUniform, PyTorch's. */
  readonly init?: Initializer;
  /** Of the bias. Default: like the weight in PyTorch, uniform within ±√(1 / fanIn). */
  readonly biasInit?: Initializer;
  /** Default: the default generator (manualSeed). */
  readonly generator?: Generator;
}

/** Whether a pooling may take part in the layer before it. */
const fusesPools = (): boolean => platform().env('FUSE_POOL') !== '0';

function checkSizes(layer: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < 1) {
      throw new ConfigError(`${layer}: ${name} is ${size}.`, { remedy: 'Use a whole number from 1.' });
    }
  }
}

const makeWeight = (
  shape: readonly number[],
  layout: Layout,
  fan: { fanIn: number; fanOut: number },
  outputs: number,
  options: WeightOptions,
): { weight: Parameter; bias: Parameter | undefined } => {
  const { bias = true, init = kaimingUniform, biasInit = kaimingUniform, generator = defaultGenerator() } = options;
  const count = shape.reduce((n, d) => n * d, 1);
  const weight = new Parameter(init(generator, count, fan), shape, { layout, label: 'weight' });
  return {
    weight,
    bias: bias
      ? new Parameter(biasInit(generator, outputs, fan), [outputs], {
          role: bias === 'fixed' ? 'statistic' : 'bias',
          label: 'bias',
        })
      : undefined,
  };
};

/** y = x · Wᵀ + b with an optional activation. State: weight [out, in], bias [out]. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #options: EpilogueOptions;

  /** `layout`: how the state dict orders the input features (flattenedLinearLayout behind a flattened picture). */
  constructor(
    inFeatures: number,
    outFeatures: number,
    options: WeightOptions & EpilogueOptions & { layout?: Layout } = {},
  ) {
    super();
    checkSizes('Linear', { inFeatures, outFeatures });
    const fan = { fanIn: inFeatures, fanOut: outFeatures };
    const made = makeWeight([inFeatures, outFeatures], options.layout ?? linearLayout, fan, outFeatures, options);
    this.weight = made.weight;
    this.bias = made.bias;
    this.#options = options;
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias, this.#options);
  }
}

/** Convolution of [batch, h, w, in] with an optional activation. State: weight [out, in / groups, kh, kw], bias [out]. */
export class Conv2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #options: Conv2dOptions;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options: WeightOptions & Conv2dOptions = {},
  ) {
    super();
    const { groups = 1 } = options;
    checkSizes('Conv2d', { inChannels, outChannels, kernelSize, groups });
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ConfigError(`Conv2d: ${inChannels} and ${outChannels} channels do not fall into ${groups} groups.`, {
        remedy: 'Both numbers of channels must be multiples of groups.',
      });
    }
    const depth = inChannels / groups;
    const window = kernelSize * kernelSize;
    const fan = { fanIn: depth * window, fanOut: (outChannels / groups) * window };
    const made = makeWeight([kernelSize, kernelSize, depth, outChannels], convLayout, fan, outChannels, options);
    this.weight = made.weight;
    this.bias = made.bias;
    this.#options = options;
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias, this.#options);
  }

  /**
   * The largest of this(x) in windows side by side. An activation that keeps the order of values runs after the pooling, on
   * a fraction of the values, and what the convolution made is not kept for the backward pass (`FUSE_POOL=0`: before it).
   */
  forwardMaxPool(x: Tensor, kernelSize: number): Tensor {
    const { activation = 'none' } = this.#options;
    const keepsOrder = activation === 'none' || activation === 'relu' || activation === 'leakyRelu';
    if (!keepsOrder || !fusesPools()) return maxPool2d(this.forward(x), { kernelSize });
    return conv2dMaxPool2d(x, this.weight, this.bias, { ...this.#options, kernelSize });
  }

  /** norm(this(x)), in one pass where the norm folds. */
  forwardNorm(x: Tensor, norm: BatchNorm): Tensor {
    const { activation = 'none' } = this.#options;
    if (activation !== 'none' || !norm.folds) return norm.forward(this.forward(x));
    return scope(() => {
      const { weight, bias, ...epilogue } = norm.fold(this.weight, this.bias);
      return conv2d(x, weight, bias, { ...this.#options, ...epilogue });
    });
  }
}

/** Transposed convolution. State: weight [in, out, kh, kw], bias [out]. */
export class ConvTranspose2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #options: ConvTranspose2dOptions;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options: WeightOptions & ConvTranspose2dOptions = {},
  ) {
    super();
    checkSizes('ConvTranspose2d', { inChannels, outChannels, kernelSize });
    const window = kernelSize * kernelSize;
    // PyTorch counts the fan of the transposed weight's second dimension.
    const fan = { fanIn: outChannels * window, fanOut: inChannels * window };
    const shape = [kernelSize, kernelSize, outChannels, inChannels];
    const made = makeWeight(shape, convTransposeLayout, fan, outChannels, options);
    this.weight = made.weight;
    this.bias = made.bias;
    this.#options = options;
  }

  forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight, this.bias, this.#options);
  }
}

export interface BatchNormLayerOptions {
  /** γ and β (PyTorch's default), β alone (TF-Slim's), or neither. Default 'affine'. */
  readonly affine?: 'affine' | 'shift' | 'none';
  /** Default 1e-5. */
  readonly eps?: number;
  /** Share of the batch in the running statistics. Default 0.1. */
  readonly momentum?: number;
  readonly activation?: 'none' | 'relu' | 'leakyRelu';
  readonly negativeSlope?: number;
}

/** Batch norm over all axes but the last: pictures and vectors alike. State keys as PyTorch's BatchNorm. */
export class BatchNorm extends Module {
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  readonly running_mean: Parameter;
  readonly running_var: Parameter;
  readonly #options: BatchNormLayerOptions;

  constructor(channels: number, options: BatchNormLayerOptions = {}) {
    super();
    const { affine = 'affine' } = options;
    const vector = (value: number, role: 'norm' | 'statistic'): Parameter =>
      new Parameter(new Float32Array(channels).fill(value), [channels], { role, label: `batch norm ${role}` });
    this.weight = affine === 'affine' ? vector(1, 'norm') : undefined;
    this.bias = affine === 'none' ? undefined : vector(0, 'norm');
    this.running_mean = vector(0, 'statistic');
    this.running_var = vector(1, 'statistic');
    this.#options = options;
  }

  /** Whether the layer before can do the norm's work: by the running statistics, without gradients (`FOLD=0`: never). */
  get folds(): boolean {
    return !this.training && !gradEnabled() && platform().env('FOLD') !== '0';
  }

  /**
   * norm(x · W + b) = x · (W s) + (b − mean) s + β with s = γ / √(variance + ε) by output channel, the last axis of W: the
   * weight and bias that do both, and the norm's activation.
   */
  fold(weight: Tensor, bias: Tensor | undefined) {
    const { running_mean: mean, running_var: variance } = this;
    const { eps = 1e-5, activation, negativeSlope } = this.#options;
    const deviation = sqrt(add(variance, eps));
    const scale = this.weight ? div(this.weight, deviation) : reciprocal(deviation);
    const shift = mul(bias ? sub(bias, mean) : neg(mean), scale);
    return {
      weight: mul(weight, scale),
      bias: this.bias ? add(shift, this.bias) : shift,
      activation,
      negativeSlope,
    };
  }

  #norm() {
    const { weight, bias, running_mean: runningMean, running_var: runningVar, training } = this;
    return { weight, bias, runningMean, runningVar, training, ...this.#options };
  }

  forward(x: Tensor): Tensor {
    return batchNorm(x, this.#norm());
  }

  /** The largest of this(x) in windows side by side, in one kernel each way (`FUSE_POOL=0`: one after the other). */
  forwardMaxPool(x: Tensor, kernelSize: number): Tensor {
    if (!fusesPools()) return maxPool2d(this.forward(x), { kernelSize });
    return batchNormMaxPool2d(x, { ...this.#norm(), kernelSize });
  }
}

/** Instance norm without scale and shift, as PyTorch's default; `residual` is added after the activation. */
export class InstanceNorm2d extends Module {
  readonly #options: { eps?: number; activation?: 'none' | 'relu' | 'leakyRelu'; negativeSlope?: number };

  constructor(options: { eps?: number; activation?: 'none' | 'relu' | 'leakyRelu'; negativeSlope?: number } = {}) {
    super();
    this.#options = options;
  }

  forward(x: Tensor, residual?: Tensor): Tensor {
    return instanceNorm(x, { residual, ...this.#options });
  }
}
