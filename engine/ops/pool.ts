import { slopeByResult } from '../../kernels/pool/geometry.ts';
import {
  adaptiveAvgPoolKernels,
  avgPoolKernels,
  maxPoolBackwardKernel,
  maxPoolKernel,
} from '../../kernels/pool/pool.ts';
import { ConfigError, ShapeError } from '../errors.ts';
import { formatShape, type Shape, sizeOf, Tensor } from '../tensor.ts';
import { type Epilogue, noEpilogue, resolveEpilogue } from './epilogue.ts';
import { apply, defineOp, shapeError } from './op.ts';
import { mean } from './reduce.ts';
import { sameShape } from './shapes.ts';

export interface PoolOptions {
  /** Window, one number or [height, width]. */
  readonly kernelSize: number | readonly [number, number];
  /** Default: the window's size. */
  readonly stride?: number | readonly [number, number];
}

export interface MaxPoolOptions extends PoolOptions {
  /** Rows and columns of −∞ on each side, at most half the window. Default 0. */
  readonly padding?: number | readonly [number, number];
  /** Also windows that only begin within the picture. Default false. */
  readonly ceilMode?: boolean;
  /** Applied to the result; as it keeps the order of values, the same as before the pooling. Default 'none'. */
  readonly activation?: 'none' | 'relu' | 'leakyRelu';
  /** Slope of leakyRelu below zero, ≥ 0; default 0.01. */
  readonly negativeSlope?: number;
}

export interface PoolAttributes {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly ceilMode: boolean;
  readonly epilogue: Epilogue;
}

const pair = (value: number | readonly [number, number]): readonly [number, number] =>
  typeof value === 'number' ? [value, value] : value;

/** Windows that fit whole; with `ceilMode` also the last one that begins in the picture or the padding before it. */
function pooledShape(name: string, x: Shape, { kernel, stride, padding, ceilMode }: PoolAttributes): Shape {
  if (x.length !== 4) throw shapeError(name, [x], 'Needed: x [n, h, w, c].');
  const out = [0, 1].map((i) => {
    const [n, p] = [x[1 + i], padding[i]];
    const steps = (n + 2 * p - kernel[i]) / stride[i];
    if (!ceilMode) return Math.floor(steps) + 1;
    const last = Math.ceil(steps);
    return last * stride[i] < n + p ? last + 1 : last;
  });
  if (!(out[0] > 0 && out[1] > 0)) {
    throw new ShapeError(`${name}: a window of ${kernel.join('×')} does not fit into ${formatShape(x)}.`, {
      remedy: 'Use a larger picture, a smaller window, or leave out a pooling.',
    });
  }
  return [x[0], out[0], out[1], x[3]];
}

const paramsOf = (x: Shape, out: Shape, { kernel, stride, padding }: PoolAttributes) => ({
  batch: x[0],
  height: x[1],
  width: x[2],
  channels: x[3],
  outHeight: out[1],
  outWidth: out[2],
  kernelHeight: kernel[0],
  kernelWidth: kernel[1],
  strideHeight: stride[0],
  strideWidth: stride[1],
  padHeight: padding[0],
  padWidth: padding[1],
});

export const maxPool2dOp = defineOp<PoolAttributes>({
  name: 'maxPool2d',
  outputShape: ([x], attributes) => pooledShape('maxPool2d', x, attributes),
  forward: ([x], out, attributes) => {
    const taps = Tensor.empty([sizeOf(out.shape)], { dtype: 'u8', device: x.device, label: 'maxPool2d taps' });
    x.device.run(
      maxPoolKernel,
      { x: x.storage, out: out.storage, taps: taps.storage },
      { ...paramsOf(x.shape, out.shape, attributes), slope: attributes.epilogue.slope },
    );
    return slopeByResult(attributes.epilogue) ? [taps, out] : [taps];
  },
  backward: (gradient, [taps, result], attributes, { inputShapes: [x] }) => {
    const out = Tensor.empty(x, { device: gradient.device, label: 'maxPool2d gradient' });
    out.device.run(
      maxPoolBackwardKernel,
      { gradient: gradient.storage, taps: taps.storage, result: result?.storage, out: out.storage },
      { ...paramsOf(x, gradient.shape, attributes), slope: attributes.epilogue.slope },
    );
    return [out];
  },
});

const averageOp = (name: string, kernels: typeof avgPoolKernels, shape: (x: Shape, a: PoolAttributes) => Shape) =>
  defineOp<PoolAttributes>({
    name,
    outputShape: ([x], attributes) => shape(x, attributes),
    forward: ([x], out, attributes) => {
      x.device.run(kernels.forward, { x: x.storage, out: out.storage }, paramsOf(x.shape, out.shape, attributes));
      return [];
    },
    backward: (gradient, _saved, attributes, { inputShapes: [x] }) => {
      const out = Tensor.empty(x, { device: gradient.device, label: `${name} gradient` });
      out.device.run(
        kernels.backward,
        { gradient: gradient.storage, out: out.storage },
        paramsOf(x, gradient.shape, attributes),
      );
      return [out];
    },
  });

export const avgPool2dOp = averageOp('avgPool2d', avgPoolKernels, (x, a) => pooledShape('avgPool2d', x, a));
/** `kernel` holds the output's size. */
export const adaptiveAvgPool2dOp = averageOp('adaptiveAvgPool2d', adaptiveAvgPoolKernels, (x, { kernel }) => {
  if (x.length !== 4) throw shapeError('adaptiveAvgPool2d', [x], 'Needed: x [n, h, w, c].');
  return [x[0], kernel[0], kernel[1], x[3]];
});

const KEEP_ORDER = ['none', 'relu', 'leakyRelu'];

function attributesOf(name: string, options: MaxPoolOptions): PoolAttributes {
  const kernel = pair(options.kernelSize);
  const stride = pair(options.stride ?? options.kernelSize);
  const padding = pair(options.padding ?? 0);
  const whole = [...kernel, ...stride].every((n) => Number.isInteger(n) && n > 0);
  if (!whole || kernel[0] * kernel[1] > 255) {
    throw new ConfigError(`${name}: kernelSize ${kernel.join('×')}, stride ${stride.join('×')}.`, {
      remedy: 'Use integers from 1, with at most 255 positions in a window.',
    });
  }
  if (padding.some((p, i) => !Number.isInteger(p) || p < 0 || 2 * p > kernel[i])) {
    throw new ConfigError(`${name}: padding ${padding.join('×')} for a window of ${kernel.join('×')}.`, {
      remedy: 'Use integers from 0 to half the window.',
    });
  }
  const { activation = 'none', negativeSlope, ceilMode = false } = options;
  if (!KEEP_ORDER.includes(activation)) {
    throw new ConfigError(`${name}: there is no activation ${JSON.stringify(activation)} here.`, {
      remedy: `Use one of ${KEEP_ORDER.join(', ')}, or apply it apart.`,
    });
  }
  return { kernel, stride, padding, ceilMode, epilogue: resolveEpilogue(name, { activation, negativeSlope }) };
}

/**
 * Largest value per window of x [n, h, w, c] → [n, h', w', c], h' = ⌊(h + 2·padding − kernel) / stride⌋ + 1 (⌈ ⌉
 * with `ceilMode`). The gradient goes to the first maximum of each window, as in PyTorch. Throws ShapeError where no window
 * fits, ConfigError for impossible options.
 */
export const maxPool2d = (x: Tensor, options: MaxPoolOptions): Tensor =>
  apply(maxPool2dOp, [x], attributesOf('maxPool2d', options));

/** Mean per window of x [n, h, w, c], without padding. */
export const avgPool2d = (x: Tensor, options: PoolOptions): Tensor =>
  apply(avgPool2dOp, [x], attributesOf('avgPool2d', options));

/** Mean over windows that split x [n, h, w, c] into `outputSize` rows and columns as evenly as whole pixels allow. */
export function adaptiveAvgPool2d(x: Tensor, outputSize: number | readonly [number, number]): Tensor {
  const size = pair(outputSize);
  if (!size.every((n) => Number.isInteger(n) && n > 0)) {
    throw new ConfigError(`adaptiveAvgPool2d: outputSize ${size.join('×')}.`, { remedy: 'Use integers from 1.' });
  }
  if (sameShape(x.shape.slice(1, 3), size)) return x;
  return apply(adaptiveAvgPool2dOp, [x], {
    kernel: size,
    stride: [1, 1],
    padding: [0, 0],
    ceilMode: false,
    epilogue: noEpilogue,
  });
}

/** Mean over the positions of x [n, h, w, c] → [n, c]. */
export function globalAvgPool2d(x: Tensor): Tensor {
  if (x.ndim !== 4) throw shapeError('globalAvgPool2d', [x.shape], 'Needed: x [n, h, w, c].');
  return mean(x, [1, 2]);
}
