import { conv2dKernel } from '../../kernels/conv/conv2d.ts';
import { conv2dInputGradientKernel } from '../../kernels/conv/conv2d-input-gradient.ts';
import { conv2dWeightGradientKernel } from '../../kernels/conv/conv2d-weight-gradient.ts';
import type { ConvGeometry } from '../../kernels/conv/geometry.ts';
import { ConfigError, ShapeError } from '../errors.ts';
import { mayRoundToHalves } from '../precision.ts';
import { formatShape, type Shape, Tensor } from '../tensor.ts';
import {
  columnSum,
  type Epilogue,
  type EpilogueOptions,
  noEpilogue,
  resolveEpilogue,
  throughActivation,
} from './epilogue.ts';
import { apply, defineOp, shapeError } from './op.ts';

/** One number for both axes, or [vertical, horizontal]. */
export type Pair = number | readonly [number, number];

export interface Conv2dOptions extends EpilogueOptions {
  /** Default 1. */
  stride?: Pair;
  /** Zeros around the picture; default 0. */
  padding?: Pair;
  /** Distance between the window's taps; default 1. */
  dilation?: Pair;
  /** Input and output channels fall into so many groups that do not see each other; default 1. */
  groups?: number;
}

export interface ConvTranspose2dOptions extends EpilogueOptions {
  stride?: Pair;
  padding?: Pair;
  /** Rows and columns added at the bottom and right: which of the sizes that the stride allows. Default 0. */
  outputPadding?: Pair;
}

interface Window {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

export interface ConvAttributes extends Window {
  readonly epilogue: Epilogue;
}

export interface ConvTransposeAttributes extends Window {
  readonly outputPadding: readonly [number, number];
  readonly epilogue: Epilogue;
}

function pair(op: string, name: string, value: Pair | undefined, fallback: number, least: number): [number, number] {
  const [y, x] = value === undefined ? [fallback, fallback] : typeof value === 'number' ? [value, value] : value;
  if (![y, x].every((v) => Number.isInteger(v) && v >= least && v < 65_536)) {
    throw new ConfigError(`${op}: ${name} is ${JSON.stringify(value)}.`, {
      remedy: `Use an integer ≥ ${least}, or two of them as [vertical, horizontal].`,
    });
  }
  return [y, x];
}

/** The kernels' parameters: x is the side under the window, y the side with one value per window. */
export function geometry(x: Shape, y: Shape, weight: Shape, window: Window, epilogue: Epilogue): ConvGeometry {
  return {
    batch: x[0],
    h: x[1],
    w: x[2],
    cin: x[3],
    oh: y[1],
    ow: y[2],
    cout: y[3],
    groups: window.groups,
    kh: weight[0],
    kw: weight[1],
    strideY: window.stride[0],
    strideX: window.stride[1],
    paddingY: window.padding[0],
    paddingX: window.padding[1],
    dilationY: window.dilation[0],
    dilationX: window.dilation[1],
    ...epilogue,
    ...(mayRoundToHalves() && { half: 1 }),
  };
}

function convolve(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  y: Tensor,
  window: Window,
  epilogue: Epilogue,
): void {
  y.device.run(
    conv2dKernel,
    { x: x.storage, weight: weight.storage, bias: bias?.storage, y: y.storage },
    geometry(x.shape, y.shape, weight.shape, window, epilogue),
  );
}

function convolveTransposed(
  y: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  x: Tensor,
  window: Window,
  epilogue: Epilogue,
): void {
  x.device.run(
    conv2dInputGradientKernel,
    { y: y.storage, weight: weight.storage, bias: bias?.storage, x: x.storage },
    geometry(x.shape, y.shape, weight.shape, window, epilogue),
  );
}

function weightGradient(x: Tensor, y: Tensor, weight: Tensor, window: Window): Tensor {
  const out = Tensor.empty(weight.shape, { device: x.device, label: 'convolution weight gradient' });
  out.device.run(
    conv2dWeightGradientKernel,
    { x: x.storage, y: y.storage, weight: out.storage },
    geometry(x.shape, y.shape, weight.shape, window, noEpilogue),
  );
  return out;
}

function checkBias(op: string, weight: Shape, bias: Shape | undefined, channels: number): void {
  if (bias && (bias.length !== 1 || bias[0] !== channels)) {
    throw shapeError(op, [weight, bias], `Needed: a bias of [${channels}], one per output channel.`);
  }
}

/** Options as they reach the kernels; throws ConfigError for impossible ones. */
export function convAttributes(op: string, options: Conv2dOptions): ConvAttributes {
  const { groups = 1 } = options;
  if (!Number.isInteger(groups) || groups < 1) {
    throw new ConfigError(`${op}: groups is ${groups}.`, { remedy: 'Use an integer ≥ 1.' });
  }
  return {
    stride: pair(op, 'stride', options.stride, 1, 1),
    padding: pair(op, 'padding', options.padding, 0, 0),
    dilation: pair(op, 'dilation', options.dilation, 1, 1),
    groups,
    epilogue: resolveEpilogue(op, options),
  };
}

export const conv2dOp = defineOp<ConvAttributes>({
  name: 'conv2d',
  outputShape: ([x, weight, bias], { stride, padding, dilation, groups }) => {
    if (x.length !== 4 || weight.length !== 4) {
      throw shapeError('conv2d', [x, weight], 'Needed: x [batch, h, w, cin], weight [kh, kw, cin / groups, cout].');
    }
    const [batch, h, w, cin] = x;
    const [kh, kw, depth, cout] = weight;
    if (cin !== depth * groups || cout % groups !== 0) {
      throw shapeError(
        'conv2d',
        [x, weight],
        `With ${groups} groups, needed: cin = ${groups} · weight's third size, and cout a multiple of ${groups}.`,
      );
    }
    checkBias('conv2d', weight, bias, cout);
    const size = (n: number, k: number, i: 0 | 1): number =>
      Math.floor((n + 2 * padding[i] - dilation[i] * (k - 1) - 1) / stride[i]) + 1;
    const [oh, ow] = [size(h, kh, 0), size(w, kw, 1)];
    if (oh < 1 || ow < 1) {
      throw new ShapeError(
        `conv2d: the window ${kh}×${kw} (dilation ${dilation}) is larger than the picture ${h}×${w} with padding ${padding}.`,
        { remedy: 'Use a larger picture, more padding or fewer layers that shrink it.' },
      );
    }
    return [batch, oh, ow, cout];
  },
  forward: ([x, weight, bias], y, { epilogue, ...window }) => {
    convolve(x, weight, bias, y, window, epilogue);
    return epilogue.activation === 0 ? [x, weight] : [x, weight, y];
  },
  backward: (gradient, [x, weight, y], { epilogue, ...window }, { needs }) => {
    const g = throughActivation(gradient, y, epilogue);
    const result: (Tensor | undefined)[] = [];
    if (needs[0]) {
      const dx = Tensor.empty(x.shape, { device: x.device, label: 'convolution input gradient' });
      convolveTransposed(g, weight, undefined, dx, window, noEpilogue);
      result[0] = dx;
    }
    if (needs[1]) result[1] = weightGradient(x, g, weight, window);
    if (needs[2]) result[2] = columnSum(g);
    return result;
  },
});

export const convTranspose2dOp = defineOp<ConvTransposeAttributes>({
  name: 'convTranspose2d',
  outputShape: ([x, weight, bias], { stride, padding, outputPadding }) => {
    if (x.length !== 4 || weight.length !== 4 || x[3] !== weight[3]) {
      throw shapeError('convTranspose2d', [x, weight], 'Needed: x [batch, h, w, cin], weight [kh, kw, cout, cin].');
    }
    const [kh, kw, cout] = weight;
    checkBias('convTranspose2d', weight, bias, cout);
    for (const i of [0, 1] as const) {
      if (outputPadding[i] >= stride[i]) {
        throw new ConfigError(`convTranspose2d: outputPadding ${outputPadding} is not smaller than stride ${stride}.`, {
          remedy: 'It picks one of `stride` possible sizes: 0 … stride − 1.',
        });
      }
    }
    const size = (n: number, k: number, i: 0 | 1): number =>
      (n - 1) * stride[i] - 2 * padding[i] + (k - 1) + outputPadding[i] + 1;
    const shape = [x[0], size(x[1], kh, 0), size(x[2], kw, 1), cout];
    if (shape[1] < 1 || shape[2] < 1) {
      throw new ShapeError(`convTranspose2d: ${formatShape(x)} would become ${formatShape(shape)}.`, {
        remedy: 'Use less padding.',
      });
    }
    return shape;
  },
  forward: ([x, weight, bias], y, { epilogue, ...window }) => {
    convolveTransposed(x, weight, bias, y, window, epilogue);
    return epilogue.activation === 0 ? [x, weight] : [x, weight, y];
  },
  // The transposed convolution's input gradient is the convolution itself.
  backward: (gradient, [x, weight, y], { epilogue, ...window }, { needs }) => {
    const g = throughActivation(gradient, y, epilogue);
    const result: (Tensor | undefined)[] = [];
    if (needs[0]) {
      const dx = Tensor.empty(x.shape, { device: x.device, label: 'transposed convolution input gradient' });
      convolve(g, weight, undefined, dx, window, noEpilogue);
      result[0] = dx;
    }
    if (needs[1]) result[1] = weightGradient(g, x, weight, window);
    if (needs[2]) result[2] = columnSum(g);
    return result;
  },
});

/**
 * f(x ∗ weight + bias), zeros outside. x [batch, h, w, cin], weight [kh, kw, cin / groups, cout], bias [cout]
 * → [batch, ⌊(h + 2·padding − dilation·(kh − 1) − 1) / stride⌋ + 1, likewise w, cout]. The activation f is applied in
 * the same pass. Throws ShapeError when sizes do not fit, ConfigError for impossible options.
 */
export const conv2d = (x: Tensor, weight: Tensor, bias?: Tensor, options: Conv2dOptions = {}): Tensor =>
  apply(conv2dOp, bias ? [x, weight, bias] : [x, weight], convAttributes('conv2d', options));

/**
 * Transposed convolution (the adjoint of conv2d, "deconvolution"). x [batch, h, w, cin], weight [kh, kw, cout, cin],
 * bias [cout] → [batch, (h − 1)·stride − 2·padding + kh + outputPadding, likewise w, cout]. Throws ShapeError when sizes
 * do not fit, ConfigError for impossible options.
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvTranspose2dOptions = {},
): Tensor {
  return apply(convTranspose2dOp, bias ? [x, weight, bias] : [x, weight], {
    stride: pair('convTranspose2d', 'stride', options.stride, 1, 1),
    padding: pair('convTranspose2d', 'padding', options.padding, 0, 0),
    outputPadding: pair('convTranspose2d', 'outputPadding', options.outputPadding, 0, 0),
    dilation: [1, 1],
    groups: 1,
    epilogue: resolveEpilogue('convTranspose2d', options),
  });
}
