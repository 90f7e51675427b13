import type { Kernel } from '../../kernels/kernel.ts';
import { DeviceError, ShapeError } from '../errors.ts';
import { gradEnabled, tapeNode } from '../tape.ts';
import { type DType, formatShape, type Shape, Tensor } from '../tensor.ts';
import { requireDtype } from './shapes.ts';

/** What a backward may need to know beside its saved tensors. */
export interface BackwardContext {
  readonly inputShapes: readonly Shape[];
  /** Whether input i wants a gradient; a backward need not compute the others. */
  readonly needs: readonly boolean[];
}

interface OpBase<A> {
  readonly name: string;
  /** The output's shape; throws ShapeError naming the op, what was found and what is allowed. */
  readonly outputShape: (inputs: readonly Shape[], attributes: A) => Shape;
  /** Default: all are f32, which `apply` sees to. 'any': `forward` looks at those that are not. */
  readonly inputDtypes?: 'any';
  /** Default f32; 'input': that of the first input. */
  readonly outputDtype?: DType | 'input';
  /** The output shares its input's bytes (reshape): `forward` has nothing to write. */
  readonly view?: true;
  /** Writes `output`; returns the tensors that backward needs (inputs, output or others), and no more. */
  readonly forward: (inputs: readonly Tensor[], output: Tensor, attributes: A) => readonly Tensor[];
}

export interface DifferentiableOp<A> extends OpBase<A> {
  /** ∂L/∂input i from ∂L/∂output; `undefined` where not needed. */
  readonly backward: (
    gradient: Tensor,
    saved: readonly Tensor[],
    attributes: A,
    context: BackwardContext,
  ) => readonly (Tensor | undefined)[];
}

export interface NondifferentiableOp<A> extends OpBase<A> {
  /** Why there is no backward. */
  readonly nondifferentiable: string;
}

/** One record per operation. Leaving out `backward` needs a reason, by type. */
export type Op<A> = DifferentiableOp<A> | NondifferentiableOp<A>;

/** Keeps the attributes' type. */
export function defineOp<A>(op: DifferentiableOp<A>): DifferentiableOp<A>;
export function defineOp<A>(op: NondifferentiableOp<A>): NondifferentiableOp<A>;
export function defineOp<A>(op: Op<A>): Op<A> {
  return op;
}

/** Whether a rung beats the kernels that it replaces, rather than none. */
export const hasSuited = <B extends string, P extends string>(
  { variants }: Kernel<B, P>,
  params: Readonly<Record<P, number>>,
  { device: { traits } }: Tensor,
): boolean => variants.some((v) => v.suits?.(params, traits) && (v.supports?.(params, traits) ?? true));

/** Runs an op on its inputs and puts it on the tape when an input wants a gradient. */
export function apply<A>(op: Op<A>, inputs: readonly Tensor[], attributes: A): Tensor {
  const [first] = inputs;
  for (const input of inputs) {
    if (input.disposed)
      throw new ShapeError(`${op.name}: its input ${input.label} was disposed.`, {
        remedy: 'keep() it, or return it from its scope.',
      });
    // Kernels read bits: integers would pass for tiny numbers.
    if (op.inputDtypes !== 'any') requireDtype(op.name, `its input ${input.label}`, input, 'f32');
  }
  if (inputs.some(({ device }) => device !== first.device)) {
    throw new DeviceError(`${op.name}: its inputs ${inputs.map((t) => t.label).join(', ')} are on different devices.`, {
      remedy: 'Make them on one device: setDevice(), or the option `device`.',
    });
  }
  const inputShapes = inputs.map((t) => t.shape);
  const shape = op.outputShape(inputShapes, attributes);
  const output = op.view
    ? first.alias(shape)
    : Tensor.empty(shape, {
        dtype: op.outputDtype === 'input' ? first.dtype : (op.outputDtype ?? 'f32'),
        device: first.device,
        label: op.name,
      });
  const saved = op.forward(inputs, output, attributes);
  if ('backward' in op && gradEnabled() && inputs.some((t) => t.requiresGrad || t.node)) {
    output.node = tapeNode(op, attributes, inputs, saved);
  }
  return output;
}

/** `matmul: left [2, 3] and right [4, 5] …`: the usual form of a shape complaint. */
export function shapeError(op: string, shapes: readonly Shape[], allowed: string): ShapeError {
  return new ShapeError(`${op}: ${shapes.map(formatShape).join(' and ')} do not fit.`, { remedy: allowed });
}
