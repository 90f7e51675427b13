import { conv2dKernel } from '../../kernels/conv/conv2d.ts';
import { conv2dMaxPoolKernel } from '../../kernels/conv/conv2d-max-pool.ts';
import { conv2dMaxPoolWeightGradientKernel } from '../../kernels/conv/conv2d-max-pool-weight-gradient.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { slopeByResult } from '../../kernels/pool/geometry.ts';
import { maxPoolBackwardKernel } from '../../kernels/pool/pool.ts';
import { ConfigError, ShapeError } from '../errors.ts';
import { formatShape, type Shape, sizeOf, Tensor } from '../tensor.ts';
import { type Conv2dOptions, type ConvAttributes, conv2d, conv2dOp, convAttributes, geometry } from './conv.ts';
import { noEpilogue } from './epilogue.ts';
import { apply, defineOp, hasSuited } from './op.ts';
import { maxPool2d } from './pool.ts';

/** Of the pooling behind the convolution; [batch, oh, ow, cout] is what the convolution makes. */
const pooledShape = ([batch, oh, ow, cout]: Shape): Shape => [batch, Math.floor(oh / 2), Math.floor(ow / 2), cout];

/** What the convolution itself would make of these inputs. */
const convolvedShape = (inputs: readonly Shape[], attributes: ConvAttributes): Shape =>
  conv2dOp.outputShape(inputs, attributes);

export interface Conv2dMaxPoolOptions extends Conv2dOptions {
  /** Side of the pooling's window, and its stride. Default 2. */
  readonly kernelSize?: number;
}

export const conv2dMaxPoolOp = defineOp<ConvAttributes>({
  name: 'conv2dMaxPool',
  outputShape: (inputs, attributes) => {
    const convolved = convolvedShape(inputs, attributes);
    const shape = pooledShape(convolved);
    if (shape[1] < 1 || shape[2] < 1) {
      throw new ShapeError(`conv2dMaxPool2d: a window of 2×2 does not fit into ${formatShape(convolved)}.`, {
        remedy: 'Use a larger picture, more padding or fewer layers that shrink it.',
      });
    }
    return shape;
  },
  forward: ([x, weight, bias], out, attributes) => {
    const { epilogue, ...window } = attributes;
    const taps = Tensor.empty([sizeOf(out.shape)], { dtype: 'u8', device: x.device, label: 'conv2dMaxPool taps' });
    const convolved = convolvedShape([x.shape, weight.shape], attributes);
    x.device.run(
      conv2dMaxPoolKernel,
      { x: x.storage, weight: weight.storage, bias: bias?.storage, out: out.storage, taps: taps.storage },
      geometry(x.shape, convolved, weight.shape, window, epilogue),
    );
    return [x, weight, taps, ...(slopeByResult(epilogue) ? [out] : [])];
  },
  backward: (gradient, [x, weight, taps, result], attributes, context) => {
    const { device } = x;
    const { epilogue, ...window } = attributes;
    const convolved = convolvedShape([x.shape, weight.shape], attributes);
    const params = geometry(x.shape, convolved, weight.shape, window, epilogue);
    const read = { gradient: gradient.storage, taps: taps.storage, result: result?.storage };
    const { needs } = context;
    let own: readonly (Tensor | undefined)[] | undefined;
    if (needs[1] && hasSuited(conv2dMaxPoolWeightGradientKernel, params, x)) {
      const dw = Tensor.empty(weight.shape, { device, label: 'convolution weight gradient' });
      const db = Tensor.empty([weight.shape[3]], { device, label: 'convolution bias gradient' });
      device.run(
        conv2dMaxPoolWeightGradientKernel,
        { x: x.storage, ...read, weight: dw.storage, bias: db.storage },
        params,
      );
      own = [dw, needs[2] ? db : undefined];
      if (!needs[0]) return [undefined, ...own];
    }
    const g = Tensor.empty(convolved, { device, label: 'conv2dMaxPool gradient' });
    const [batch, height, width, channels] = convolved;
    const [, outHeight, outWidth] = pooledShape(convolved);
    device.run(
      maxPoolBackwardKernel,
      { ...read, out: g.storage },
      {
        ...{ batch, height, width, channels, outHeight, outWidth },
        ...{ kernelHeight: 2, kernelWidth: 2, strideHeight: 2, strideWidth: 2, padHeight: 0, padWidth: 0 },
        slope: epilogue.slope,
      },
    );
    const without = { ...context, needs: own ? [needs[0], false, false] : needs };
    const gradients = conv2dOp.backward(g, [x, weight], { ...attributes, epilogue: noEpilogue }, without);
    return own ? [gradients[0], ...own] : gradients;
  },
});

/**
 * f(maxPool2d(conv2d(x))), windows of kernelSize × kernelSize side by side, f none, relu or leakyRelu: x [batch, h, w, cin],
 * weight [kh, kw, cin / groups, cout], bias [cout] → [batch, ⌊oh / kernelSize⌋, ⌊ow / kernelSize⌋, cout]. One kernel where
 * this device's rung for the convolution has a pooling of 2 × 2 in it, so that what the convolution makes is never in
 * memory; else one after the other. Same values either way (on GPUs but for rounding), gradients but for the order of sums;
 * ties go to the first, as in PyTorch. Throws ShapeError when sizes do not fit, ConfigError for impossible options.
 */
export function conv2dMaxPool2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  { kernelSize = 2, ...options }: Conv2dMaxPoolOptions = {},
): Tensor {
  const { activation = 'none', negativeSlope } = options;
  if (activation !== 'none' && activation !== 'relu' && activation !== 'leakyRelu') {
    throw new ConfigError(`conv2dMaxPool2d: ${activation} does not keep the order of values for certain.`, {
      remedy: 'Use none, relu or leakyRelu, or conv2d() and maxPool2d().',
    });
  }
  const attributes = convAttributes('conv2dMaxPool2d', options);
  const convolved = convolvedShape(
    [x, weight, ...(bias ? [bias] : [])].map(({ shape }) => shape),
    attributes,
  );
  const { epilogue, ...window } = attributes;
  const params = geometry(x.shape, convolved, weight.shape, window, epilogue);
  const { tuner } = x.device;
  const rung = tuner.expected(conv2dKernel as unknown as Kernel, params);
  const fused = tuner.supported(conv2dMaxPoolKernel as unknown as Kernel, params);
  if (kernelSize === 2 && fused.some(({ name }) => name === rung)) {
    return apply(conv2dMaxPoolOp, bias ? [x, weight, bias] : [x, weight], attributes);
  }
  return maxPool2d(conv2d(x, weight, bias, { ...options, activation: 'none' }), {
    kernelSize,
    activation,
    negativeSlope,
  });
}
