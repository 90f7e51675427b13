import {
  expandKernel,
  REDUCE_MAPS,
  REDUCE_OPS,
  type ReduceMap,
  type ReduceName,
  reduceKernel,
} from '../../kernels/reduce/reduce.ts';
import { ShapeError } from '../errors.ts';
import { formatShape, type Shape, sizeOf, Tensor } from '../tensor.ts';
import { binary } from './binary.ts';
import { fillInto } from './fill.ts';
import { apply, type BackwardContext, type DifferentiableOp, defineOp } from './op.ts';
import { resolveDim, sameShape } from './shapes.ts';

/** Neighbouring dimensions that are reduced in one go: the tensor is [outer, length, inner] to them. */
interface Run {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

/** The runs of marked dimensions from the last to the first; each sees the later ones already reduced to 1. */
function runsOf(shape: Shape, marked: readonly boolean[]): Run[] {
  const runs: Run[] = [];
  const current = [...shape];
  for (let end = shape.length - 1; end >= 0; end--) {
    if (!marked[end]) continue;
    let start = end;
    while (start > 0 && marked[start - 1]) start--;
    const length = sizeOf(current.slice(start, end + 1));
    if (length !== 1) {
      runs.push({ outer: sizeOf(current.slice(0, start)), length, inner: sizeOf(current.slice(end + 1)) });
    }
    for (let i = start; i <= end; i++) current[i] = 1;
    end = start;
  }
  return runs.length > 0 ? runs : [{ outer: sizeOf(shape), length: 1, inner: 1 }];
}

/** out = scale · ⊕ map(x, y) over the marked dimensions; off the tape. */
export function runReduce(
  x: Tensor,
  marked: readonly boolean[],
  out: Tensor,
  options: { op?: ReduceName; map?: ReduceMap; y?: Tensor; scale?: number } = {},
): void {
  const { op = 'sum', map = 'x', y, scale = 1 } = options;
  if (x.size === 0) {
    fillInto(out, 0 * scale); // no element to start from: a sum of nothing is 0, a mean NaN
    return;
  }
  const runs = runsOf(x.shape, marked);
  let current = x;
  runs.forEach((run, i) => {
    const last = i === runs.length - 1;
    const next = last ? out : Tensor.empty([run.outer, run.inner], { device: x.device, label: op });
    x.device.run(
      reduceKernel,
      { x: current.storage, y: i === 0 ? y?.storage : undefined, out: next.storage },
      {
        op: REDUCE_OPS.indexOf(op),
        map: i === 0 ? REDUCE_MAPS.indexOf(map) : 0,
        ...run,
        scale: last ? scale : 1,
      },
    );
    if (i > 0) current.dispose();
    current = next;
  });
}

/** scale · x, repeated along the marked dimensions to `shape`; off the tape. */
export function expanded(x: Tensor, marked: readonly boolean[], shape: Shape, scale = 1): Tensor {
  const runs = runsOf(shape, marked).reverse();
  let current = x;
  runs.forEach((run, i) => {
    const last = i === runs.length - 1;
    const next = Tensor.empty(last ? shape : [run.outer, run.length, run.inner], { device: x.device, label: 'expand' });
    x.device.run(expandKernel, { x: current.storage, out: next.storage }, { ...run, scale: last ? scale : 1 });
    current = next;
  });
  return current;
}

const repeated = (full: Shape, shape: Shape): boolean[] => {
  const missing = full.length - shape.length;
  return full.map((d, i) => i < missing || (shape[i - missing] === 1 && d !== 1));
};

/** The sum of `gradient` over the dimensions that broadcasting `shape` repeated: ∂L/∂operand from ∂L/∂result. */
export function sumTo(gradient: Tensor, shape: Shape): Tensor {
  if (sameShape(gradient.shape, shape)) return gradient;
  const out = Tensor.empty(shape, { device: gradient.device, label: 'gradient' });
  runReduce(gradient, repeated(gradient.shape, shape), out);
  return out;
}

/** `sumTo(x · y, shape)`; where x and y have one shape the product is never stored. */
export function productSumTo(x: Tensor, y: Tensor, shape: Shape): Tensor {
  if (!sameShape(x.shape, y.shape) || sameShape(x.shape, shape)) return sumTo(binary('mul', x, y), shape);
  const out = Tensor.empty(shape, { device: x.device, label: 'gradient' });
  runReduce(x, repeated(x.shape, shape), out, { map: 'product', y });
  return out;
}

export interface ReduceAttributes {
  /** All dimensions when undefined. */
  readonly dims: readonly number[] | undefined;
  readonly keepdim: boolean;
}

const markedOf = (op: string, shape: Shape, dims: readonly number[] | undefined): boolean[] => {
  const marked = shape.map(() => dims === undefined);
  for (const dim of dims ?? []) marked[resolveDim(op, dim, shape.length)] = true;
  return marked;
};

const count = (shape: Shape, marked: readonly boolean[]): number => sizeOf(shape.filter((_, i) => marked[i]));

function reduction(
  name: string,
  op: ReduceName,
  average: boolean,
  backward: DifferentiableOp<ReduceAttributes>['backward'],
): DifferentiableOp<ReduceAttributes> {
  return defineOp<ReduceAttributes>({
    name,
    outputShape: ([x], { dims, keepdim }) => {
      const marked = markedOf(name, x, dims);
      if (op !== 'sum' && count(x, marked) === 0) {
        throw new ShapeError(`${name}: ${formatShape(x)} has nothing to choose from.`, {
          remedy: 'Reduce dimensions that have elements.',
        });
      }
      return keepdim ? x.map((d, i) => (marked[i] ? 1 : d)) : x.filter((_, i) => !marked[i]);
    },
    forward: ([x], out, { dims }) => {
      const marked = markedOf(name, x.shape, dims);
      runReduce(x, marked, out, { op, scale: average ? 1 / count(x.shape, marked) : 1 });
      return op === 'sum' ? [] : [x, out];
    },
    backward,
  });
}

const spread =
  (name: string, average: boolean) =>
  (
    gradient: Tensor,
    _saved: readonly Tensor[],
    { dims }: ReduceAttributes,
    { inputShapes: [shape] }: BackwardContext,
  ) => {
    const marked = markedOf(name, shape, dims);
    return [expanded(gradient, marked, shape, average ? 1 / count(shape, marked) : 1)];
  };

/** The gradient goes to the extreme elements, in equal shares where several tie (PyTorch's amax, amin). */
const share =
  (name: string) =>
  (gradient: Tensor, [x, out]: readonly Tensor[], { dims }: ReduceAttributes) => {
    const marked = markedOf(name, x.shape, dims);
    const isExtreme = binary('equal', x, expanded(out, marked, x.shape));
    const ties = Tensor.empty(gradient.shape, { device: x.device, label: 'ties' });
    runReduce(isExtreme, marked, ties);
    return [binary('mul', isExtreme, expanded(binary('div', gradient, ties), marked, x.shape))];
  };

export const sumOp = reduction('sum', 'sum', false, spread('sum', false));
export const meanOp = reduction('mean', 'sum', true, spread('mean', true));
export const amaxOp = reduction('amax', 'max', false, share('amax'));
export const aminOp = reduction('amin', 'min', false, share('amin'));

const attributesOf = (dim: number | readonly number[] | undefined, keepdim: boolean): ReduceAttributes => ({
  dims: typeof dim === 'number' ? [dim] : dim,
  keepdim,
});

/** Sum over `dim` (one, several, or all when left out). The order of additions depends on the shape alone. */
export const sum = (x: Tensor, dim?: number | readonly number[], keepdim = false): Tensor =>
  apply(sumOp, [x], attributesOf(dim, keepdim));

/** Mean over `dim` (one, several, or all when left out). */
export const mean = (x: Tensor, dim?: number | readonly number[], keepdim = false): Tensor =>
  apply(meanOp, [x], attributesOf(dim, keepdim));

/** Largest value over `dim`, NaN if there is one; equal ones share the gradient. */
export const amax = (x: Tensor, dim?: number | readonly number[], keepdim = false): Tensor =>
  apply(amaxOp, [x], attributesOf(dim, keepdim));

/** Smallest value over `dim`, NaN if there is one; equal ones share the gradient. */
export const amin = (x: Tensor, dim?: number | readonly number[], keepdim = false): Tensor =>
  apply(aminOp, [x], attributesOf(dim, keepdim));
