import { KernelError, ShapeError } from './errors.ts';
import { addGradient, addWaiting, dropWaiting } from './leaf-gradients.ts';
import { add, copyInto } from './ops/arithmetic.ts';
import { fill } from './ops/fill.ts';
import type { DifferentiableOp } from './ops/op.ts';
import type { Storage } from './runtime/memory.ts';
import { formatShape, type Shape, Tensor } from './tensor.ts';

/** One operation on the tape: enough to run its backward, and nothing more. */
export interface TapeNode {
  readonly op: DifferentiableOp<unknown>;
  readonly attributes: unknown;
  /** Let go with `saved`, so that a loss kept for the log does not hold what it was computed from. */
  inputs: readonly Tensor[];
  readonly inputShapes: readonly Shape[];
  /** What the op's forward asked to keep; dropped as soon as its backward has run. */
  saved: readonly Tensor[] | undefined;
  /** The versions that the saved tensors had: their gradient is wrong once somebody has written them. */
  readonly versions: readonly number[];
}

/** A tape node with the saved tensors as they stand now. */
export const tapeNode = <A>(
  op: DifferentiableOp<A>,
  attributes: A,
  inputs: readonly Tensor[],
  saved: readonly Tensor[],
): TapeNode => ({
  op: op as DifferentiableOp<unknown>,
  attributes,
  inputs,
  inputShapes: inputs.map((t) => t.shape),
  saved,
  versions: saved.map((t) => t.storage.version),
});

/** How many `noGrad` are under way. */
let paused = 0;

/** Whether operations are put on the tape. */
export const gradEnabled = (): boolean => paused === 0;

/**
 * Runs `body` without recording operations (PyTorch's `no_grad`). An async body records nothing until it is done, nor does
 * what runs in between.
 */
export function noGrad<T>(body: () => T): T {
  paused++;
  let result: T;
  try {
    result = body();
  } catch (error) {
    paused--;
    throw error;
  }
  if (result instanceof Promise) {
    return result.finally(() => {
      paused--;
    }) as T;
  }
  paused--;
  return result;
}

/** The tensors whose `grad` was set while a program was traced: the program takes them back at its end. */
let touched: Set<Tensor> | undefined;

/** What each backward pass of the trace found saved for it, by storage. */
let saved: Set<Storage>[] = [];

export function collectTouched<T>(body: () => T): { result: T; touched: Set<Tensor>; saved: readonly Set<Storage>[] } {
  const before = { touched, saved };
  const mine = { touched: new Set<Tensor>(), saved: [] };
  ({ touched, saved } = mine);
  try {
    return { result: body(), ...mine };
  } finally {
    ({ touched, saved } = before);
  }
}

/** Outputs before inputs, without recursion: a deep net must not overflow the stack. */
function reverseTopological(root: Tensor): Tensor[] {
  const order: Tensor[] = [];
  const state = new Map<TapeNode, 'open' | 'done'>();
  const stack: Tensor[] = [root];
  while (stack.length > 0) {
    const tensor = stack[stack.length - 1];
    const { node } = tensor;
    if (!node || state.get(node) === 'done') {
      stack.pop();
      continue;
    }
    if (state.get(node) === 'open') {
      state.set(node, 'done');
      order.push(tensor);
      stack.pop();
      continue;
    }
    state.set(node, 'open');
    for (const input of node.inputs) if (input.node && !state.has(input.node)) stack.push(input);
  }
  return order.reverse();
}

function accumulateLeaf(leaf: Tensor, gradient: Tensor, upstream: Tensor): void {
  if (leaf.grad) {
    addGradient(leaf.grad, gradient);
    return;
  }
  // A gradient that others share must not be added to in place later.
  const shared = gradient === upstream || gradient.storage.references > 1;
  leaf.grad = shared ? Tensor.empty(leaf.shape, { device: leaf.device, label: 'grad' }) : gradient;
  if (shared) copyInto(leaf.grad, gradient);
  leaf.grad.keep();
  touched?.add(leaf);
}

/**
 * Reverse-mode differentiation: adds ∂root/∂leaf to `grad` of every leaf with `requiresGrad`. `gradient` is ∂L/∂root,
 * ones by default (root must then have one element). The tape is consumed.
 */
export function backward(root: Tensor, gradient?: Tensor): void {
  if (!root.node && !root.requiresGrad) {
    throw new KernelError(
      `${root.label} is not on the tape: nothing in it requires a gradient, or it was made under noGrad().`,
    );
  }
  if (!gradient && root.size !== 1) {
    throw new ShapeError(`backward() starts from one number; ${root.label} has ${root.size}.`, {
      remedy: 'Reduce it with sum() or mean(), or pass the gradient of your loss by it.',
    });
  }
  if (gradient && formatShape(gradient.shape) !== formatShape(root.shape)) {
    throw new ShapeError(
      `The gradient ${formatShape(gradient.shape)} does not fit the root ${formatShape(root.shape)}.`,
    );
  }
  try {
    noGrad(() => propagate(root, gradient));
    addWaiting();
  } finally {
    dropWaiting();
  }
}

function propagate(root: Tensor, gradient: Tensor | undefined): void {
  const gradients = new Map<Tensor, Tensor>();
  gradients.set(root, gradient ?? fill(root.shape, 1, { device: root.device }));
  if (!root.node) {
    const seed = gradients.get(root) as Tensor;
    accumulateLeaf(root, seed, seed);
    return;
  }
  const order = reverseTopological(root);
  if (touched) saved.push(new Set(order.flatMap(({ node }) => (node?.saved ?? []).map((t) => t.storage))));
  for (const output of order) {
    const { node } = output;
    const upstream = gradients.get(output);
    gradients.delete(output);
    if (!node || !upstream) continue;
    if (!node.saved) {
      throw new KernelError(`backward() ran twice through ${node.op.name}.`, {
        remedy: 'Compute the forward again; the tape is used up by its backward.',
      });
    }
    const { inputs, inputShapes, saved } = node;
    checkSaved(node, saved);
    const needs = inputs.map((input) => input.node !== undefined || input.requiresGrad);
    const results = node.op.backward(upstream, saved, node.attributes, { inputShapes, needs });
    inputs.forEach((input, i) => {
      const result = results[i];
      if (!needs[i] || !result) return;
      if (formatShape(result.shape) !== formatShape(input.shape)) {
        throw new ShapeError(
          `${node.op.name}: gradient ${i} is ${formatShape(result.shape)}, its input ${formatShape(input.shape)}.`,
        );
      }
      if (!input.node) accumulateLeaf(input, result, upstream);
      else {
        const before = gradients.get(input);
        gradients.set(input, before ? add(before, result) : result);
      }
    });
    node.saved = undefined;
    node.inputs = [];
  }
}

/** Throws where a saved tensor no longer holds what the forward saved. */
function checkSaved({ op, versions }: TapeNode, saved: readonly Tensor[]): void {
  for (const [i, { storage }] of saved.entries()) {
    if (storage.references === 0) {
      throw new KernelError(`${op.name}: ${storage.label}, which its gradient needs, was disposed before backward().`, {
        remedy: 'Call backward() inside the scope that the forward ran in, or keep() the tensor.',
      });
    }
    if (storage.version !== versions[i]) {
      throw new KernelError(
        `${op.name}: ${storage.label}, which its gradient needs, was overwritten before backward().`,
        {
          remedy: 'Call backward() before write(), an optimiser or another in-place operation changes it.',
        },
      );
    }
  }
}

/** Runs `body` with the tape recording, whatever stands around it. */
function enableGrad<T>(body: () => T): T {
  const before = paused;
  paused = 0;
  try {
    return body();
  } finally {
    paused = before;
  }
}

const checkpointOp: DifferentiableOp<{ body: (x: Tensor) => Tensor }> = {
  name: 'checkpoint',
  outputShape: ([x]) => x,
  forward: () => [],
  backward: (gradient, [x], { body }) => {
    const leaf = x.detach();
    leaf.requiresGrad = true;
    backward(
      enableGrad(() => body(leaf)),
      gradient,
    );
    // A leaf's gradient is kept; the enclosing scope must dispose this one.
    const result = leaf.grad?.alias();
    leaf.grad?.dispose();
    touched?.delete(leaf);
    return [result];
  },
};

/**
 * Rematerialisation (PyTorch's `checkpoint`): runs `body` without keeping its intermediate values, and runs it a second
 * time when its gradient is wanted. Memory for time; the gradients have the same bits. `body` must give the same values
 * both times: no random draws, no running statistics.
 */
export function checkpoint(body: (x: Tensor) => Tensor, x: Tensor): Tensor {
  if (!gradEnabled()) return body(x);
  const output = noGrad(() => body(x));
  // A body that does nothing (dropout when evaluating): x keeps its own node.
  if (output === x) return x;
  output.node = tapeNode(checkpointOp, { body }, [x], [x]);
  return output;
}
