import {
  crossEntropyBackwardKernel,
  crossEntropyKernel,
  softmaxBackwardKernel,
  softmaxKernel,
} from '../../kernels/loss/loss.ts';
import { ShapeError } from '../errors.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { apply, defineOp, shapeError } from './op.ts';
import { requireDtype, resolveDim } from './shapes.ts';

type None = Record<string, never>;

const rowsOf = (shape: Shape) => {
  const length = shape[shape.length - 1];
  return { rows: shape.slice(0, -1).reduce((n, d) => n * d, 1), length };
};

const softmaxLike = (name: string, logarithm: 0 | 1) =>
  defineOp<None>({
    name,
    outputShape: ([x]) => x,
    forward: ([x], out) => {
      x.device.run(softmaxKernel, { x: x.storage, out: out.storage }, { ...rowsOf(x.shape), logarithm });
      return [out];
    },
    backward: (gradient, [y]) => {
      const out = Tensor.empty(y.shape, { device: y.device, label: `${name} gradient` });
      y.device.run(
        softmaxBackwardKernel,
        { gradient: gradient.storage, y: y.storage, out: out.storage },
        { ...rowsOf(y.shape), logarithm },
      );
      return [out];
    },
  });

export const softmaxOp = softmaxLike('softmax', 0);
export const logSoftmaxOp = softmaxLike('logSoftmax', 1);

function lastDim(op: string, x: Tensor, dim: number): void {
  if (resolveDim(op, dim, x.ndim) !== x.ndim - 1) {
    throw new ShapeError(`${op}: dimension ${dim} of ${x.ndim}.`, {
      remedy: 'Only the last dimension is supported; permute() it there.',
    });
  }
}

/** eˣ / Σ eˣ over the last dimension. */
export function softmax(x: Tensor, dim = -1): Tensor {
  lastDim('softmax', x, dim);
  return apply(softmaxOp, [x], {});
}

/** log(eˣ / Σ eˣ) over the last dimension. */
export function logSoftmax(x: Tensor, dim = -1): Tensor {
  lastDim('logSoftmax', x, dim);
  return apply(logSoftmaxOp, [x], {});
}

export interface CrossEntropyAttributes {
  readonly mean: boolean;
  readonly ignored: number;
}

export interface CrossEntropyOptions {
  /** Default 'mean': over the rows that are not ignored. */
  readonly reduction?: 'mean' | 'sum';
  /** Rows with this label count as nothing: the padding of a last, smaller batch. */
  readonly ignoreIndex?: number;
}

/** Stands for "no label is ignored". Not −1, which others take for "unknown": it must not pass unnoticed. */
export const NO_LABEL = 0x8000_0000;

const paramsOf = (x: Shape, target: Tensor, { ignored }: CrossEntropyAttributes) => ({
  rows: x[0],
  classes: x[1],
  ignored,
  soft: Number(target.dtype === 'f32'),
});

/** Where the target binds: class indices or soft targets. */
const bound = (target: Tensor) => (target.dtype === 'f32' ? { targets: target.storage } : { labels: target.storage });

export const crossEntropyOp = defineOp<CrossEntropyAttributes>({
  name: 'crossEntropy',
  inputDtypes: 'any',
  outputShape: ([x, target]) => {
    const fits = x.length === 2 && target[0] === x[0] && (target.length === 1 || target[1] === x[1]);
    if (!fits) {
      throw shapeError('crossEntropy', [x, target], 'Needed: logits [n, classes], target [n] or [n, classes].');
    }
    return [];
  },
  forward: ([x, target], out, attributes) => {
    requireDtype('crossEntropy', 'its input', x, 'f32');
    requireDtype(
      'crossEntropy',
      'its target',
      target,
      ...(target.ndim === 2 ? ['f32' as const] : ['u32' as const, 'i32' as const]),
    );
    const logSum = Tensor.empty([x.shape[0], 4], { device: x.device, label: 'log Σ exp' });
    const scale = Tensor.empty([1], { device: x.device, label: 'loss scale' });
    x.device.run(
      crossEntropyKernel,
      { logits: x.storage, ...bound(target), logSum: logSum.storage, scale: scale.storage, out: out.storage },
      { ...paramsOf(x.shape, target, attributes), mean: Number(attributes.mean) },
    );
    return [x, target, logSum, scale];
  },
  backward: (gradient, [x, target, logSum, scale], attributes) => {
    const out = Tensor.empty(x.shape, { device: x.device, label: 'crossEntropy gradient' });
    x.device.run(
      crossEntropyBackwardKernel,
      {
        gradient: gradient.storage,
        logits: x.storage,
        ...bound(target),
        logSum: logSum.storage,
        scale: scale.storage,
        out: out.storage,
      },
      paramsOf(x.shape, target, attributes),
    );
    return [out, undefined];
  },
});

/**
 * Softmax cross-entropy of logits [n, classes] with class indices [n] (u32 or i32) or soft targets [n, classes] (f32,
 * constants to the tape) → a number. Exact for logits of any size. A label that names no class makes the loss NaN.
 */
export function crossEntropy(x: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { reduction = 'mean', ignoreIndex = NO_LABEL } = options;
  return apply(crossEntropyOp, [x, target], { mean: reduction === 'mean', ignored: ignoreIndex >>> 0 });
}
