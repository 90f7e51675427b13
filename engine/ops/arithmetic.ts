import { accumulateKernel, scaleKernel } from '../../kernels/elementwise/accumulate.ts';
import type { BinaryName } from '../../kernels/elementwise/binary.ts';
import type { ParamValue } from '../runtime/commands.ts';
import { Tensor } from '../tensor.ts';
import { binary, runBinary } from './binary.ts';
import { apply, type DifferentiableOp, defineOp, shapeError } from './op.ts';
import { productSumTo, sumTo } from './reduce.ts';
import { broadcastShape, requireDtype, sameShape } from './shapes.ts';
import { affine, divideBy, reciprocal, unary } from './unary.ts';

type None = Record<string, never>;

function binaryOp(
  name: BinaryName,
  saved: (a: Tensor, b: Tensor, out: Tensor) => readonly Tensor[],
  backward: DifferentiableOp<None>['backward'],
): DifferentiableOp<None> {
  return defineOp<None>({
    name,
    outputShape: ([a, b]) => broadcastShape(name, a, b),
    forward: ([a, b], out) => {
      runBinary(name, a, b, out);
      return saved(a, b, out);
    },
    backward,
  });
}

export const addOp = binaryOp(
  'add',
  () => [],
  (g, _saved, _attributes, { inputShapes: [a, b], needs }) => [
    needs[0] ? sumTo(g, a) : undefined,
    needs[1] ? sumTo(g, b) : undefined,
  ],
);

export const subOp = binaryOp(
  'sub',
  () => [],
  (g, _saved, _attributes, { inputShapes: [a, b], needs }) => [
    needs[0] ? sumTo(g, a) : undefined,
    needs[1] ? unary('affine', sumTo(g, b), -1) : undefined,
  ],
);

export const mulOp = binaryOp(
  'mul',
  (a, b) => [a, b],
  (g, [a, b], _attributes, { needs }) => [
    needs[0] ? productSumTo(g, b, a.shape) : undefined,
    needs[1] ? productSumTo(g, a, b.shape) : undefined,
  ],
);

// y = a / b: da = g / b, db = −g y / b
export const divOp = binaryOp(
  'div',
  (_a, b, out) => [b, out],
  (g, [b, y], _attributes, { inputShapes: [a], needs }) => {
    const quotient = binary('div', g, b);
    return [
      needs[0] ? sumTo(quotient, a) : undefined,
      needs[1] ? unary('affine', productSumTo(quotient, y, b.shape), -1) : undefined,
    ];
  },
);

/** Where the operands tie, each gets half of the gradient, as in PyTorch. */
const extreme = (name: 'maximum' | 'minimum'): DifferentiableOp<None> =>
  binaryOp(
    name,
    (a, b) => [a, b],
    (g, [a, b], _attributes, { needs }) => {
      const [first, second] = name === 'maximum' ? [a, b] : [b, a];
      return [
        needs[0] ? productSumTo(g, binary('tieShare', first, second, g.shape), a.shape) : undefined,
        needs[1] ? productSumTo(g, binary('tieShare', second, first, g.shape), b.shape) : undefined,
      ];
    },
  );
export const maximumOp = extreme('maximum');
export const minimumOp = extreme('minimum');

/** a + b, broadcast; b may be a number. */
export const add = (a: Tensor, b: Tensor | number): Tensor =>
  typeof b === 'number' ? affine(a, 1, b) : apply(addOp, [a, b], {});

/** a − b, broadcast; either may be a number. */
export function sub(a: Tensor | number, b: Tensor): Tensor;
export function sub(a: Tensor, b: Tensor | number): Tensor;
export function sub(a: Tensor | number, b: Tensor | number): Tensor {
  if (typeof b === 'number') return affine(a as Tensor, 1, -b);
  return typeof a === 'number' ? affine(b, -1, a) : apply(subOp, [a, b], {});
}

/** a · b, broadcast; b may be a number or a host scalar. */
export const mul = (a: Tensor, b: Tensor | ParamValue): Tensor =>
  b instanceof Tensor ? apply(mulOp, [a, b], {}) : affine(a, b);

/** a / b, broadcast; either may be a number. */
export function div(a: Tensor | number, b: Tensor): Tensor;
export function div(a: Tensor, b: Tensor | number): Tensor;
export function div(a: Tensor | number, b: Tensor | number): Tensor {
  if (typeof b === 'number') return divideBy(a as Tensor, b);
  return typeof a === 'number' ? reciprocal(b, a) : apply(divOp, [a, b], {});
}

/** The larger of a and b, broadcast; NaN where one is. */
export const maximum = (a: Tensor, b: Tensor): Tensor => apply(maximumOp, [a, b], {});

/** The smaller of a and b, broadcast; NaN where one is. */
export const minimum = (a: Tensor, b: Tensor): Tensor => apply(minimumOp, [a, b], {});

function checkPair(op: string, target: Tensor, source: Tensor): void {
  if (!sameShape(target.shape, source.shape)) {
    throw shapeError(op, [target.shape, source.shape], 'Both must have one shape.');
  }
  requireDtype(op, 'its target', target, 'f32');
  requireDtype(op, 'its source', source, 'f32');
}

/** target += scale · source, in place and off the tape. */
export function addInto(target: Tensor, source: Tensor, scale: ParamValue = 1): void {
  checkPair('addInto', target, source);
  target.device.run(accumulateKernel, { source: source.storage, out: target.storage }, { size: target.size, scale });
}

/** target = source (f32), in place and off the tape. */
export function copyInto(target: Tensor, source: Tensor): void {
  checkPair('copyInto', target, source);
  target.device.run(scaleKernel, { source: source.storage, out: target.storage }, { size: target.size, scale: 1 });
}
