import { accumulateKernel, scaleKernel } from '../../kernels/elementwise/accumulate.ts';
import { BINARY_OPS, type BinaryName, binaryKernel } from '../../kernels/elementwise/binary.ts';
import type { HostScalar } from '../runtime/commands.ts';
import { formatShape, type Shape, type Tensor } from '../tensor.ts';
import { apply, defineOp, shapeError } from './op.ts';

/** NumPy's rule: align from the right; sizes are equal or one of them is 1. */
export function broadcastShape(op: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw shapeError(op, [a, b], 'Aligned from the right, each pair of dimensions must be equal or contain a 1.');
    }
    return Math.max(x, y);
  });
}

const equal = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i]);

/** Strides of `shape` seen as `out`, 0 along broadcast dimensions. */
function broadcastStrides(shape: Shape, out: Shape): number[] {
  const strides = new Array<number>(out.length).fill(0);
  let stride = 1;
  for (let i = 1; i <= shape.length; i++) {
    const d = shape[shape.length - i];
    if (d !== 1) strides[out.length - i] = stride;
    stride *= d;
  }
  return strides;
}

/** Merges neighbouring dimensions that both operands walk alike, so that at most four are left. */
function mergeDimensions(
  op: string,
  out: Shape,
  a: number[],
  b: number[],
): { dims: number[]; a: number[]; b: number[] } {
  const dims: number[] = [];
  const sa: number[] = [];
  const sb: number[] = [];
  for (let i = 0; i < out.length; i++) {
    if (out[i] === 1) continue;
    const last = dims.length - 1;
    const joins = last >= 0 && sa[last] === a[i] * out[i] && sb[last] === b[i] * out[i];
    if (joins) {
      dims[last] *= out[i];
      sa[last] = a[i];
      sb[last] = b[i];
    } else {
      dims.push(out[i]);
      sa.push(a[i]);
      sb.push(b[i]);
    }
  }
  if (dims.length > 4)
    throw shapeError(
      op,
      [out],
      'Broadcasting patterns of more than four alternating dimensions are not supported; reshape first.',
    );
  while (dims.length < 4) {
    dims.unshift(1);
    sa.unshift(0);
    sb.unshift(0);
  }
  return { dims, a: sa, b: sb };
}

/** Writes a ∘ b into `out`, which has the broadcast shape. */
export function runBinary(name: BinaryName, a: Tensor, b: Tensor, out: Tensor): void {
  const merged = mergeDimensions(
    name,
    out.shape,
    broadcastStrides(a.shape, out.shape),
    broadcastStrides(b.shape, out.shape),
  );
  const [, d1, d2, d3] = merged.dims;
  const [a0, a1, a2, a3] = merged.a;
  const [b0, b1, b2, b3] = merged.b;
  const same = equal(a.shape, out.shape) && equal(b.shape, out.shape) ? 1 : 0;
  out.device.run(
    binaryKernel,
    { a: a.storage, b: b.storage, out: out.storage },
    { op: BINARY_OPS.indexOf(name), size: out.size, d1, d2, d3, a0, a1, a2, a3, b0, b1, b2, b3, same },
  );
}

export const addOp = defineOp<Record<string, never>>({
  name: 'add',
  outputShape: ([a, b]) => broadcastShape('add', a, b),
  forward: ([a, b], out) => {
    runBinary('add', a, b, out);
    return [];
  },
  backward: (gradient, _saved, _attributes, { inputShapes, needs }) => {
    for (const [i, shape] of inputShapes.entries()) {
      if (needs[i] && !equal(shape, gradient.shape))
        throw shapeError('add backward', [shape, gradient.shape], formatShape(shape));
    }
    return [gradient, gradient];
  },
});

/** a + b, broadcast. */
export const add = (a: Tensor, b: Tensor): Tensor => apply(addOp, [a, b], {});

/** target += scale · source, in place and off the tape. */
export function addInto(target: Tensor, source: Tensor, scale: number | HostScalar = 1): void {
  if (!equal(target.shape, source.shape))
    throw shapeError('addInto', [target.shape, source.shape], 'Both must have one shape.');
  target.device.run(accumulateKernel, { source: source.storage, out: target.storage }, { size: target.size, scale });
}

/** target = source, in place and off the tape. */
export function copyInto(target: Tensor, source: Tensor): void {
  if (!equal(target.shape, source.shape))
    throw shapeError('copyInto', [target.shape, source.shape], 'Both must have one shape.');
  target.device.run(scaleKernel, { source: source.storage, out: target.storage }, { size: target.size, scale: 1 });
}
