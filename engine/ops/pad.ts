import { padGradientKernel, padKernel } from '../../kernels/pad/pad.ts';
import { ShapeError } from '../errors.ts';
import { formatShape, type Shape, Tensor } from '../tensor.ts';
import { apply, defineOp } from './op.ts';

/** Pixels on each side; one number means all four. */
export type Padding =
  | number
  | { readonly top?: number; readonly bottom?: number; readonly left?: number; readonly right?: number };

export interface PadAttributes {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
  readonly reflect: boolean;
}

const paramsOf = ([batch, h, w, channels]: Shape, { top, bottom, left, right, reflect }: PadAttributes) => ({
  batch,
  h,
  w,
  channels,
  oh: h + top + bottom,
  ow: w + left + right,
  top,
  left,
  reflect: Number(reflect),
});

export const padOp = defineOp<PadAttributes>({
  name: 'pad2d',
  outputShape: ([x], attributes) => {
    const { top, bottom, left, right, reflect } = attributes;
    const sides = [top, bottom, left, right];
    if (x.length !== 4 || !sides.every((n) => Number.isInteger(n) && n >= 0)) {
      throw new ShapeError(`pad2d: x is ${formatShape(x)}, padding ${sides.join(', ')}.`, {
        remedy: 'Needed: x [batch, h, w, channels] and whole numbers ≥ 0.',
      });
    }
    if (reflect && (Math.max(top, bottom) >= x[1] || Math.max(left, right) >= x[2])) {
      throw new ShapeError(
        `reflectionPad2d: ${sides.join(', ')} pixels cannot be reflected in a picture of ${x[1]}×${x[2]}.`,
        {
          remedy: 'Reflection pads by at most one pixel less than the picture has.',
        },
      );
    }
    const p = paramsOf(x, attributes);
    return [p.batch, p.oh, p.ow, p.channels];
  },
  forward: ([x], y, attributes) => {
    y.device.run(padKernel, { x: x.storage, y: y.storage }, paramsOf(x.shape, attributes));
    return [];
  },
  backward: (gradient, _saved, attributes, { inputShapes: [shape] }) => {
    const dx = Tensor.empty(shape, { device: gradient.device, label: 'pad gradient' });
    dx.device.run(padGradientKernel, { gradient: gradient.storage, dx: dx.storage }, paramsOf(shape, attributes));
    return [dx];
  },
});

const sides = (padding: Padding): Omit<PadAttributes, 'reflect'> => {
  if (typeof padding === 'number') return { top: padding, bottom: padding, left: padding, right: padding };
  return { top: 0, bottom: 0, left: 0, right: 0, ...padding };
};

/** Mirrors the picture at its borders without repeating them (PyTorch's ReflectionPad2d). */
export const reflectionPad2d = (x: Tensor, padding: Padding): Tensor =>
  apply(padOp, [x], { ...sides(padding), reflect: true });

/** A frame of zeros. */
export const zeroPad2d = (x: Tensor, padding: Padding): Tensor =>
  apply(padOp, [x], { ...sides(padding), reflect: false });
