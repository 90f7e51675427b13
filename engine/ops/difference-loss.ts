import { differenceGradientKernel } from '../../kernels/loss/difference.ts';
import { Tensor } from '../tensor.ts';
import { fill } from './fill.ts';
import { apply, defineOp, shapeError } from './op.ts';
import { runReduce } from './reduce.ts';
import { sameShape } from './shapes.ts';
import { unary } from './unary.ts';

export interface DifferenceAttributes {
  readonly mean: boolean;
}

/** Σ or mean of |x − y| or (x − y)², reduced without storing the differences. */
const differenceLoss = (name: string, squared: boolean) =>
  defineOp<DifferenceAttributes>({
    name,
    outputShape: ([x, y]) => {
      if (!sameShape(x, y)) throw shapeError(name, [x, y], 'Input and target must have one shape.');
      return [];
    },
    forward: ([x, y], out, { mean }) => {
      const map = squared ? 'squaredDifference' : 'absoluteDifference';
      runReduce(
        x,
        x.shape.map(() => true),
        out,
        { map, y, scale: mean ? 1 / x.size : 1 },
      );
      return [x, y];
    },
    backward: (gradient, [x, y], { mean }, { needs }) => {
      const dx = Tensor.empty(x.shape, { device: x.device, label: `${name} gradient` });
      x.device.run(
        differenceGradientKernel,
        { gradient: gradient.storage, x: x.storage, y: y.storage, out: dx.storage },
        { size: x.size, squared: Number(squared), factor: mean ? 1 / x.size : 1 },
      );
      return [dx, needs[1] ? unary('affine', dx, -1) : undefined];
    },
  });

export const l1LossOp = differenceLoss('l1Loss', false);
export const mseLossOp = differenceLoss('mseLoss', true);

export interface DifferenceLossOptions {
  /** Default 'mean': over all elements. */
  readonly reduction?: 'mean' | 'sum';
}

const targetOf = (x: Tensor, target: Tensor | number): Tensor =>
  typeof target === 'number' ? fill(x.shape, target, { device: x.device }) : target;

/** Mean (or sum) of |x − target|; the target has x's shape or is a number. Gradient 0 where they are equal. */
export const l1Loss = (x: Tensor, target: Tensor | number, options: DifferenceLossOptions = {}): Tensor =>
  apply(l1LossOp, [x, targetOf(x, target)], { mean: options.reduction !== 'sum' });

/** Mean (or sum) of (x − target)²; the target has x's shape or is a number (least-squares GAN: 1 or 0). */
export const mseLoss = (x: Tensor, target: Tensor | number, options: DifferenceLossOptions = {}): Tensor =>
  apply(mseLossOp, [x, targetOf(x, target)], { mean: options.reduction !== 'sum' });
