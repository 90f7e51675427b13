import { ShapeError } from '../errors.ts';
import { type DType, formatShape, type Shape, type Tensor } from '../tensor.ts';

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i]);

/** NumPy's rule: align from the right; sizes are equal or one of them is 1. */
export function broadcastShape(op: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(`${op}: ${formatShape(a)} and ${formatShape(b)} do not fit.`, {
        remedy: 'Aligned from the right, each pair of dimensions must be equal or contain a 1.',
      });
    }
    return x === 1 ? y : x;
  });
}

/** Row-major strides. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/** Strides of `shape` seen as `out`, 0 along broadcast dimensions. */
export function broadcastStrides(shape: Shape, out: Shape): number[] {
  const own = stridesOf(shape);
  const missing = out.length - shape.length;
  return out.map((_, i) => (i < missing || shape[i - missing] === 1 ? 0 : own[i - missing]));
}

/**
 * Merges neighbouring dimensions that all operands walk alike, and pads to four. Each entry of `strides` belongs to one
 * operand; kernels walk at most four dimensions.
 */
export function mergeDimensions(
  op: string,
  shape: Shape,
  strides: readonly (readonly number[])[],
): { dims: number[]; strides: number[][] } {
  const dims: number[] = [];
  const merged: number[][] = strides.map(() => []);
  for (let i = 0; i < shape.length; i++) {
    if (shape[i] === 1) continue;
    const last = dims.length - 1;
    if (last >= 0 && strides.every((s, k) => merged[k][last] === s[i] * shape[i])) {
      dims[last] *= shape[i];
      strides.forEach((s, k) => {
        merged[k][last] = s[i];
      });
    } else {
      dims.push(shape[i]);
      strides.forEach((s, k) => {
        merged[k].push(s[i]);
      });
    }
  }
  if (dims.length > 4) {
    throw new ShapeError(`${op}: ${formatShape(shape)} takes ${dims.length} separate strides.`, {
      remedy: 'At most four dimensions that cannot be merged are supported; reshape or make a copy first.',
    });
  }
  while (dims.length < 4) {
    dims.unshift(1);
    for (const s of merged) s.unshift(0);
  }
  return { dims, strides: merged };
}

/** Dimension `dim` of `rank`, counted from the end when negative. */
export function resolveDim(op: string, dim: number, rank: number): number {
  const resolved = dim < 0 ? dim + rank : dim;
  if (!Number.isInteger(dim) || resolved < 0 || resolved >= rank) {
    throw new ShapeError(`${op}: dimension ${dim} of a tensor with ${rank}.`, {
      remedy: `Use an integer from ${-rank} to ${rank - 1}.`,
    });
  }
  return resolved;
}

/** Throws unless `x` holds values of one of `dtypes`. */
export function requireDtype(op: string, name: string, x: Tensor, ...dtypes: readonly DType[]): void {
  if (!dtypes.includes(x.dtype)) {
    throw new ShapeError(`${op}: ${name} is ${x.dtype}.`, { remedy: `Needed: ${dtypes.join(' or ')}.` });
  }
}
