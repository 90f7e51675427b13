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
  readonly inputs: readonly Tensor[];
  readonly inputShapes: readonly Shape[];
  /** What the op's forward asked to keep; dropped as soon as its backward has run. */
  saved: readonly Tensor[] | undefined;
}

let recording = true;

/** Whether operations are put on the tape. */
export const gradEnabled = (): boolean => recording;

/** Runs `body` without recording operations (PyTorch's `no_grad`). */
export function noGrad<T>(body: () => T): T {
  const before = recording;
  recording = false;
  try {
    return body();
  } finally {
    recording = before;
  }
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
    const needs = node.inputs.map((input) => input.node !== undefined || input.requiresGrad);
    const results = node.op.backward(upstream, node.saved, node.attributes, { inputShapes: node.inputShapes, needs });
    node.inputs.forEach((input, i) => {
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
  }
}

/** Runs `body` with the tape recording, whatever stands around it. */
function enableGrad<T>(body: () => T): T {
  const before = recording;
  recording = true;
  try {
    return body();
  } finally {
    recording = before;
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
    const result = leaf.grad;
    leaf.grad = undefined;
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
  if (!recording) return body(x);
  const output = noGrad(() => body(x));
  output.node = {
    op: checkpointOp as DifferentiableOp<unknown>,
    attributes: { body },
    inputs: [x],
    inputShapes: [x.shape],
    saved: [x],
  };
  return output;
}
