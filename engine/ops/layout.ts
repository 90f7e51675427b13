import { stridedCopyKernel } from '../../kernels/layout/strided-copy.ts';
import { ShapeError } from '../errors.ts';
import { formatShape, type Shape, sizeOf, Tensor } from '../tensor.ts';
import { fillInto } from './fill.ts';
import { apply, defineOp, shapeError } from './op.ts';
import { mergeDimensions, requireDtype, resolveDim, stridesOf } from './shapes.ts';

interface Walk {
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Copies the elements of `shape`, read and written by the given strides. Off the tape. */
function stridedCopy(op: string, x: Tensor, from: Walk, out: Tensor, to: Walk, shape: Shape): void {
  const { dims, strides } = mergeDimensions(op, shape, [from.strides, to.strides]);
  const [, d1, d2, d3] = dims;
  const [[x0, x1, x2, x3], [o0, o1, o2, o3]] = strides;
  requireDtype(op, 'its input', x, out.dtype);
  if (x.dtype === 'u8') {
    throw new ShapeError(`${op}: ${x.label} is u8.`, { remedy: 'Only four-byte types (f32, i32, u32) can be copied.' });
  }
  x.device.run(
    stridedCopyKernel,
    { x: x.storage, out: out.storage },
    {
      size: sizeOf(shape),
      d1,
      d2,
      d3,
      xOffset: from.offset,
      x0,
      x1,
      x2,
      x3,
      outOffset: to.offset,
      o0,
      o1,
      o2,
      o3,
    },
  );
}

const whole = (shape: Shape): Walk => ({ strides: stridesOf(shape), offset: 0 });

/** The part of `shape` from `starts` on. */
const part = (shape: Shape, starts: readonly number[]): Walk => {
  const strides = stridesOf(shape);
  return { strides, offset: starts.reduce((n, start, i) => n + start * strides[i], 0) };
};

export interface ReshapeAttributes {
  readonly shape: Shape;
}

/** A view: no bytes move. */
export const reshapeOp = defineOp<ReshapeAttributes>({
  name: 'reshape',
  inputDtypes: 'any',
  view: true,
  outputShape: (_shapes, { shape }) => shape,
  forward: () => [],
  backward: (gradient, _saved, _attributes, { inputShapes: [x] }) => [gradient.alias(x)],
});

export interface PermuteAttributes {
  readonly dims: readonly number[];
}

function permuted(x: Tensor, dims: readonly number[], out: Tensor): void {
  const strides = stridesOf(x.shape);
  stridedCopy('permute', x, { strides: dims.map((d) => strides[d]), offset: 0 }, out, whole(out.shape), out.shape);
}

export const permuteOp = defineOp<PermuteAttributes>({
  name: 'permute',
  inputDtypes: 'any',
  outputDtype: 'input',
  outputShape: ([x], { dims }) => {
    if (dims.length !== x.length || new Set(dims).size !== dims.length) {
      throw new ShapeError(`permute: [${dims.join(', ')}] is no order of the dimensions of ${formatShape(x)}.`, {
        remedy: 'Name every dimension once.',
      });
    }
    return dims.map((d) => x[d]);
  },
  forward: ([x], out, { dims }) => {
    permuted(x, dims, out);
    return [];
  },
  backward: (gradient, _saved, { dims }, { inputShapes: [x] }) => {
    const out = Tensor.empty(x, { device: gradient.device, label: 'permute gradient' });
    const inverse = dims.map((_, i) => dims.indexOf(i));
    permuted(gradient, inverse, out);
    return [out];
  },
});

export interface SliceAttributes {
  readonly starts: readonly number[];
  readonly shape: Shape;
}

/** Copies the part of `x` that begins at `starts`, as large as `out`. */
const cutOut = (x: Tensor, starts: readonly number[], out: Tensor): void =>
  stridedCopy('slice', x, part(x.shape, starts), out, whole(out.shape), out.shape);

/** Copies `x` into the part of `out` that begins at `starts`. */
const putInto = (x: Tensor, starts: readonly number[], out: Tensor): void =>
  stridedCopy('cat', x, whole(x.shape), out, part(out.shape, starts), x.shape);

/** Zeros of `shape` around `x`. */
function embedded(x: Tensor, starts: readonly number[], shape: Shape): Tensor {
  const out = Tensor.empty(shape, { device: x.device, label: 'padded' });
  fillInto(out, 0);
  putInto(x, starts, out);
  return out;
}

export const sliceOp = defineOp<SliceAttributes>({
  name: 'slice',
  inputDtypes: 'any',
  outputDtype: 'input',
  outputShape: (_shapes, { shape }) => shape,
  forward: ([x], out, { starts }) => {
    cutOut(x, starts, out);
    return [];
  },
  backward: (gradient, _saved, { starts }, { inputShapes: [x] }) => [embedded(gradient, starts, x)],
});

export interface CatAttributes {
  readonly dim: number;
}

const along = (rank: number, dim: number, at: number): number[] =>
  Array.from({ length: rank }, (_, i) => (i === dim ? at : 0));

export const catOp = defineOp<CatAttributes>({
  name: 'cat',
  inputDtypes: 'any',
  outputDtype: 'input',
  outputShape: (shapes, { dim }) => {
    const [first] = shapes;
    for (const shape of shapes) {
      if (shape.length !== first.length || shape.some((d, i) => i !== dim && d !== first[i])) {
        throw shapeError('cat', [first, shape], `All dimensions but ${dim} must be equal.`);
      }
    }
    return first.map((d, i) => (i === dim ? shapes.reduce((n, shape) => n + shape[dim], 0) : d));
  },
  forward: (inputs, out, { dim }) => {
    let at = 0;
    for (const x of inputs) {
      putInto(x, along(x.ndim, dim, at), out);
      at += x.shape[dim];
    }
    return [];
  },
  backward: (gradient, _saved, { dim }, { inputShapes, needs }) => {
    let at = 0;
    return inputShapes.map((shape, i) => {
      const start = at;
      at += shape[dim];
      if (!needs[i]) return undefined;
      const out = Tensor.empty(shape, { device: gradient.device, label: 'cat gradient' });
      cutOut(gradient, along(shape.length, dim, start), out);
      return out;
    });
  },
});

/** The same elements in another shape; one dimension may be −1 and is then worked out. No copy. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = sizeOf(shape.filter((d) => d !== -1));
  const full = shape.map((d) => (d === -1 ? x.size / known : d));
  if (
    sizeOf(full) !== x.size ||
    !full.every((d) => Number.isInteger(d) && d >= 0) ||
    shape.filter((d) => d === -1).length > 1
  ) {
    throw shapeError('reshape', [x.shape, shape], `The new shape must hold ${x.size} elements; one −1 is allowed.`);
  }
  return apply(reshapeOp, [x], { shape: full });
}

/** Dimensions `startDim` and after in one. */
export const flatten = (x: Tensor, startDim = 1): Tensor =>
  reshape(x, [...x.shape.slice(0, startDim), sizeOf(x.shape.slice(startDim))]);

/** The dimensions in another order, copied: dimension i of the result is dims[i] of x. */
export const permute = (x: Tensor, dims: readonly number[]): Tensor =>
  apply(permuteOp, [x], { dims: dims.map((d) => resolveDim('permute', d, x.ndim)) });

/** Two dimensions swapped, copied. */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
  const a = resolveDim('transpose', dim0, x.ndim);
  const b = resolveDim('transpose', dim1, x.ndim);
  return permute(
    x,
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
}

/** x[…, start:end, …] along `dim`, copied; a negative end counts from the back. */
export function slice(x: Tensor, dim: number, start: number, end = x.shape[resolveDim('slice', dim, x.ndim)]): Tensor {
  const at = resolveDim('slice', dim, x.ndim);
  const stop = end < 0 ? end + x.shape[at] : end;
  if (!(Number.isInteger(start) && Number.isInteger(stop) && start >= 0 && start < stop && stop <= x.shape[at])) {
    throw new ShapeError(`slice: ${start} to ${end} along dimension ${dim} of ${formatShape(x.shape)}.`, {
      remedy: `Use 0 ≤ start < end ≤ ${x.shape[at]}.`,
    });
  }
  return apply(sliceOp, [x], {
    starts: along(x.ndim, at, start),
    shape: x.shape.map((d, i) => (i === at ? stop - start : d)),
  });
}

/** The tensors one after the other along `dim`. */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  if (tensors.length === 0) throw new ShapeError('cat: no tensors.', { remedy: 'Pass at least one.' });
  return apply(catOp, tensors, { dim: resolveDim('cat', dim, tensors[0].ndim) });
}
