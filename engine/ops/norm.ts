import {
  normApplyKernel,
  normBackwardKernel,
  normGradientKernel,
  normGradientSumsKernel,
  normKernel,
  normStatisticsKernel,
  normVectorGradientsKernel,
  runningStatisticsKernel,
} from '../../kernels/norm/norm.ts';
import { ShapeError } from '../errors.ts';
import { platform } from '../platform.ts';
import { formatShape, type Shape, sizeOf, Tensor } from '../tensor.ts';
import { apply, defineOp, hasSuited } from './op.ts';

/** f after the norm: none, ReLU, or leaky ReLU with its slope. */
interface Activated {
  activation?: 'none' | 'relu' | 'leakyRelu';
  /** Of leakyRelu, below zero. Default 0.01. */
  negativeSlope?: number;
}

export interface BatchNormOptions extends Activated {
  /** γ [channels]; absent: 1 (TF-Slim's `scale=False`). */
  weight?: Tensor;
  /** β [channels]; absent: 0. */
  bias?: Tensor;
  /** Moved in place when training, used when not; both or neither. Without them the batch's are always used. */
  runningMean?: Tensor;
  runningVar?: Tensor;
  /** Use the batch's statistics and move the running ones. Default false. */
  training?: boolean;
  /** Share of the batch in the running statistics: PyTorch's `momentum`, TF-Slim's 1 − decay. Default 0.1. */
  momentum?: number;
  /** Default 1e-5. */
  eps?: number;
}

export interface InstanceNormOptions extends Activated {
  weight?: Tensor;
  bias?: Tensor;
  /** Added after the activation, same shape as x (a residual block's skip). */
  residual?: Tensor;
  /** Default 1e-5. */
  eps?: number;
}

export interface NormAttributes {
  /** Batch: one group of all positions; instance: one group per picture. */
  readonly per: 'batch' | 'instance';
  readonly weighted: boolean;
  readonly biased: boolean;
  readonly added: boolean;
  readonly eps: number;
  readonly slope: number;
  /** Statistics to use as they are (running ones). */
  readonly fixed: { readonly mean: Tensor; readonly variance: Tensor } | undefined;
  /** Statistics to move. */
  readonly running: { readonly mean: Tensor; readonly variance: Tensor; readonly momentum: number } | undefined;
}

const viewOf = (shape: Shape, per: NormAttributes['per']): { groups: number; rows: number; channels: number } => {
  const channels = shape[shape.length - 1];
  const positions = sizeOf(shape) / Math.max(1, channels);
  const groups = per === 'batch' ? 1 : shape[0];
  return { groups, rows: positions / groups, channels };
};

/** weight, bias and residual among the inputs after x, in that order, those that are there. */
export const operands = (inputs: readonly Tensor[], a: NormAttributes) => {
  const rest = inputs.slice(1);
  const weight = a.weighted ? rest.shift() : undefined;
  const bias = a.biased ? rest.shift() : undefined;
  return { weight, bias, residual: rest[0] };
};

export const flagsOf = (a: NormAttributes) => ({
  weighted: Number(a.weighted),
  biased: Number(a.biased),
  fixed: Number(a.fixed !== undefined),
});

interface Statistics {
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly rstd: Tensor;
}

/** Room for the statistics of x. */
function emptyStatistics({ device, shape }: Tensor, per: NormAttributes['per']): Statistics {
  const { groups, channels } = viewOf(shape, per);
  const empty = (what: string): Tensor => Tensor.empty([groups, channels], { device, label: `norm ${what}` });
  return { mean: empty('mean'), variance: empty('variance'), rstd: empty('rstd') };
}

const storagesOf = ({ mean, variance, rstd }: Statistics) => ({
  mean: mean.storage,
  variance: variance.storage,
  rstd: rstd.storage,
});

/** Moves the running statistics, where there are some. */
function moveRunning(x: Tensor, { mean, variance }: Statistics, { running, per }: NormAttributes): void {
  if (!running) return;
  const { rows, channels } = viewOf(x.shape, per);
  x.device.run(
    runningStatisticsKernel,
    {
      mean: mean.storage,
      variance: variance.storage,
      runningMean: running.mean.storage,
      runningVar: running.variance.storage,
    },
    { channels, momentum: running.momentum, unbias: rows / Math.max(1, rows - 1) },
  );
}

/** The statistics to normalise by: those given (`rstd` is then their variance), or the batch's, which move the running ones. */
export function statisticsOf(x: Tensor, a: NormAttributes): { readonly mean: Tensor; readonly rstd: Tensor } {
  if (a.fixed) return { mean: a.fixed.mean, rstd: a.fixed.variance };
  const found = emptyStatistics(x, a.per);
  const view = viewOf(x.shape, a.per);
  x.device.run(normStatisticsKernel, { x: x.storage, ...storagesOf(found) }, { ...view, eps: a.eps });
  moveRunning(x, found, a);
  return found;
}

/** Whether statistics and what is made of them, or the sums of a gradient and the gradient, are one kernel (`FUSE_NORM=0`: two). */
const fusesNorm = (): boolean => platform().env('FUSE_NORM') !== '0';

/** Gradients of weight and bias from the two sums of the backward pass. */
export function vectorGradients(
  sums: Tensor,
  { groups, channels }: { readonly groups: number; readonly channels: number },
): { readonly weight: Tensor; readonly bias: Tensor } {
  const { device } = sums;
  const bias = Tensor.empty([channels], { device, label: 'norm bias gradient' });
  const weight = Tensor.empty([channels], { device, label: 'norm weight gradient' });
  device.run(
    normVectorGradientsKernel,
    { sums: sums.storage, dBias: bias.storage, dWeight: weight.storage },
    { groups, channels },
  );
  return { weight, bias };
}

export const normOp = defineOp<NormAttributes>({
  name: 'norm',
  outputShape: ([x, ...rest], a) => {
    const { channels, rows } = viewOf(x, a.per);
    const name = `${a.per}Norm`;
    if (x.length < 2 || (a.per === 'instance' && x.length !== 4)) {
      throw new ShapeError(`${name}: x is ${formatShape(x)}.`, {
        remedy: a.per === 'instance' ? 'Needed: [batch, h, w, channels].' : 'Needed: [batch, …, channels].',
      });
    }
    if (rows === 0) throw new ShapeError(`${name}: ${formatShape(x)} has nothing to average over.`);
    const vectors = rest.slice(0, Number(a.weighted) + Number(a.biased));
    const statistics = [a.fixed, a.running].flatMap((s) => (s ? [s.mean.shape, s.variance.shape] : []));
    for (const vector of [...vectors, ...statistics]) {
      if (vector.length !== 1 || vector[0] !== channels) {
        throw new ShapeError(`${name}: weight, bias and statistics are [${channels}]; found ${formatShape(vector)}.`);
      }
    }
    const residual = a.added ? rest[rest.length - 1] : undefined;
    if (residual && formatShape(residual) !== formatShape(x)) {
      throw new ShapeError(`${name}: the residual ${formatShape(residual)} has not the shape of x, ${formatShape(x)}.`);
    }
    return x;
  },
  forward: (inputs, y, a) => {
    const [x] = inputs;
    const { device } = x;
    const { weight, bias, residual } = operands(inputs, a);
    const view = viewOf(x.shape, a.per);
    const params = { ...view, ...flagsOf(a), added: Number(a.added), eps: a.eps, slope: a.slope };
    const others = { weight: weight?.storage, bias: bias?.storage, residual: residual?.storage, y: y.storage };
    const vectors = [...(weight ? [weight] : []), ...(bias ? [bias] : [])];
    if (!a.fixed && fusesNorm() && hasSuited(normKernel, params, x)) {
      const found = emptyStatistics(x, a.per);
      device.run(normKernel, { x: x.storage, ...storagesOf(found), ...others }, params);
      moveRunning(x, found, a);
      return [x, found.mean, found.rstd, ...vectors];
    }
    const { mean, rstd } = statisticsOf(x, a);
    device.run(normApplyKernel, { x: x.storage, mean: mean.storage, rstd: rstd.storage, ...others }, params);
    return [x, mean, rstd, ...vectors];
  },
  backward: (gradient, [x, mean, rstd, ...vectors], a, { needs, inputShapes }) => {
    const { device } = x;
    const weight = a.weighted ? vectors[0] : undefined;
    const bias = a.biased ? vectors[Number(a.weighted)] : undefined;
    const view = viewOf(x.shape, a.per);
    const buffers = {
      x: x.storage,
      mean: mean.storage,
      rstd: rstd.storage,
      weight: weight?.storage,
      bias: bias?.storage,
      gradient: gradient.storage,
    };
    const params = { ...view, ...flagsOf(a), eps: a.eps, slope: a.slope };
    const vectorsNeeded = needs.slice(1, 1 + vectors.length).some(Boolean);
    const sums =
      !a.fixed || vectorsNeeded
        ? Tensor.empty([2, view.groups, view.channels], { device, label: 'norm gradient sums' })
        : undefined;
    const dx = needs[0] ? Tensor.empty(x.shape, { device, label: 'norm gradient' }) : undefined;
    if (sums && dx && !a.fixed && fusesNorm() && hasSuited(normBackwardKernel, params, x)) {
      device.run(normBackwardKernel, { ...buffers, sums: sums.storage, dx: dx.storage }, params);
    } else {
      if (sums) device.run(normGradientSumsKernel, { ...buffers, sums: sums.storage }, params);
      if (dx) device.run(normGradientKernel, { ...buffers, sums: sums?.storage, dx: dx.storage }, params);
    }
    const results: (Tensor | undefined)[] = inputShapes.map(() => undefined);
    results[0] = dx;
    if (vectorsNeeded && sums) {
      const { weight: dWeight, bias: dBias } = vectorGradients(sums, view);
      if (a.weighted) results[1] = dWeight;
      if (a.biased) results[1 + Number(a.weighted)] = dBias;
    }
    if (a.added && needs[needs.length - 1]) results[results.length - 1] = gradient;
    return results;
  },
});

const slopeOf = ({ activation = 'none', negativeSlope = 0.01 }: Activated): number =>
  activation === 'none' ? 1 : activation === 'relu' ? 0 : negativeSlope;

const present = (...tensors: (Tensor | undefined)[]): Tensor[] => tensors.filter((t): t is Tensor => t !== undefined);

/** x with the weight and bias there are, and what the op is told of a batch norm. */
export function batchOperands(x: Tensor, options: BatchNormOptions): { inputs: Tensor[]; attributes: NormAttributes } {
  const { weight, bias, runningMean, runningVar, training = false, momentum = 0.1, eps = 1e-5 } = options;
  const kept = runningMean && runningVar ? { mean: runningMean, variance: runningVar } : undefined;
  if (!kept && (runningMean || runningVar)) {
    throw new ShapeError('batchNorm: runningMean and runningVar come together.', { remedy: 'Pass both or neither.' });
  }
  return {
    inputs: [x, ...present(weight, bias)],
    attributes: {
      per: 'batch',
      weighted: weight !== undefined,
      biased: bias !== undefined,
      added: false,
      eps,
      slope: slopeOf(options),
      fixed: training ? undefined : kept,
      running: training && kept ? { ...kept, momentum } : undefined,
    },
  };
}

/**
 * Batch normalisation over all axes but the last, with the activation fused. In training the variance that normalises
 * is biased and the running one unbiased, as in PyTorch. Under gradient accumulation each micro-batch is normalised by
 * its own statistics and moves the running ones by itself (docs/programs.md).
 */
export function batchNorm(x: Tensor, options: BatchNormOptions = {}): Tensor {
  const { inputs, attributes } = batchOperands(x, options);
  return apply(normOp, inputs, attributes);
}

/** Instance normalisation of [batch, h, w, channels] over the positions of each picture, also when evaluating. */
export function instanceNorm(x: Tensor, options: InstanceNormOptions = {}): Tensor {
  const { weight, bias, residual, eps = 1e-5 } = options;
  return apply(normOp, [x, ...present(weight, bias, residual)], {
    per: 'instance',
    weighted: weight !== undefined,
    biased: bias !== undefined,
    added: residual !== undefined,
    eps,
    slope: slopeOf(options),
    fixed: undefined,
    running: undefined,
  });
}
