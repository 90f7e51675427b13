import {
  normMaxPoolGradientKernel,
  normMaxPoolGradientSumsKernel,
  normMaxPoolKernel,
} from '../../kernels/norm/norm-pool.ts';
import { ConfigError, ShapeError } from '../errors.ts';
import { formatShape, type Shape, Tensor } from '../tensor.ts';
import {
  type BatchNormOptions,
  batchOperands,
  flagsOf,
  type NormAttributes,
  normOp,
  operands,
  statisticsOf,
  vectorGradients,
} from './norm.ts';
import { apply, defineOp } from './op.ts';

export interface BatchNormMaxPoolOptions extends BatchNormOptions {
  /** Side of the window, and its stride. Default 2. */
  readonly kernelSize?: number;
}

export interface NormPoolAttributes {
  readonly norm: NormAttributes;
  readonly kernelSize: number;
}

const paramsOf = ([batch, height, width, channels]: Shape, { norm, kernelSize }: NormPoolAttributes) => ({
  batch,
  height,
  width,
  channels,
  outHeight: Math.floor(height / kernelSize),
  outWidth: Math.floor(width / kernelSize),
  kernelHeight: kernelSize,
  kernelWidth: kernelSize,
  ...flagsOf(norm),
  eps: norm.eps,
  slope: norm.slope,
});

export const normMaxPoolOp = defineOp<NormPoolAttributes>({
  name: 'normMaxPool',
  outputShape: ([x, ...rest], a) => {
    normOp.outputShape([x, ...rest], a.norm);
    if (x.length !== 4) {
      throw new ShapeError(`batchNormMaxPool2d: x is ${formatShape(x)}.`, {
        remedy: 'Needed: [batch, h, w, channels].',
      });
    }
    const { batch, outHeight, outWidth, channels } = paramsOf(x, a);
    if (outHeight < 1 || outWidth < 1) {
      throw new ShapeError(
        `batchNormMaxPool2d: a window of ${a.kernelSize}×${a.kernelSize} does not fit into ${formatShape(x)}.`,
        { remedy: 'Use a larger picture, a smaller window, or leave out a pooling.' },
      );
    }
    return [batch, outHeight, outWidth, channels];
  },
  forward: (inputs, out, a) => {
    const [x] = inputs;
    const { weight, bias } = operands(inputs, a.norm);
    const { mean, rstd } = statisticsOf(x, a.norm);
    x.device.run(
      normMaxPoolKernel,
      {
        x: x.storage,
        mean: mean.storage,
        rstd: rstd.storage,
        weight: weight?.storage,
        bias: bias?.storage,
        out: out.storage,
      },
      paramsOf(x.shape, a),
    );
    return [x, mean, rstd, ...(weight ? [weight] : []), ...(bias ? [bias] : [])];
  },
  backward: (gradient, [x, mean, rstd, ...vectors], a, { needs, inputShapes }) => {
    const { device } = x;
    const { weight, bias } = operands([x, ...vectors], a.norm);
    const params = paramsOf(x.shape, a);
    const { channels } = params;
    const buffers = {
      x: x.storage,
      mean: mean.storage,
      rstd: rstd.storage,
      weight: weight?.storage,
      bias: bias?.storage,
      gradient: gradient.storage,
    };
    const vectorsNeeded = needs.slice(1).some(Boolean);
    let sums: Tensor | undefined;
    if (!a.norm.fixed || vectorsNeeded) {
      sums = Tensor.empty([2, 1, channels], { device, label: 'norm gradient sums' });
      const rows = params.batch * params.outHeight * params.outWidth;
      device.run(normMaxPoolGradientSumsKernel, { ...buffers, sums: sums.storage }, { ...params, groups: 1, rows });
    }
    const results: (Tensor | undefined)[] = inputShapes.map(() => undefined);
    if (needs[0]) {
      const dx = Tensor.empty(x.shape, { device, label: 'norm and pooling gradient' });
      device.run(normMaxPoolGradientKernel, { ...buffers, sums: sums?.storage, dx: dx.storage }, params);
      results[0] = dx;
    }
    if (vectorsNeeded && sums) {
      const gradients = vectorGradients(sums, { groups: 1, channels });
      if (a.norm.weighted) results[1] = gradients.weight;
      if (a.norm.biased) results[1 + Number(a.norm.weighted)] = gradients.bias;
    }
    return results;
  },
});

/**
 * maxPool2d(batchNorm(x)), windows of kernelSize × kernelSize side by side: x [batch, h, w, channels] →
 * [batch, ⌊h / kernelSize⌋, ⌊w / kernelSize⌋, channels]. One kernel each way: what the norm makes is never in memory, nor its
 * gradient. Same values as the two apart (on GPUs but for rounding), gradients but for the order of sums; ties go to the first,
 * as in PyTorch. Throws ShapeError when sizes do not fit, ConfigError for an impossible window.
 */
export function batchNormMaxPool2d(x: Tensor, options: BatchNormMaxPoolOptions = {}): Tensor {
  const { kernelSize = 2 } = options;
  if (!Number.isInteger(kernelSize) || kernelSize < 1) {
    throw new ConfigError(`batchNormMaxPool2d: kernelSize is ${kernelSize}.`, { remedy: 'Use an integer ≥ 1.' });
  }
  const { inputs, attributes: norm } = batchOperands(x, options);
  return apply(normMaxPoolOp, inputs, { norm, kernelSize });
}
