import { grouped } from '../kernels/common/grouped.ts';
import { ACCUMULATE_GROUP, accumulate8Kernel } from '../kernels/elementwise/accumulate.ts';
import { addInto } from './ops/arithmetic.ts';
import { platform } from './platform.ts';
import type { Tensor } from './tensor.ts';

/** Above this a sum costs its bytes, not its dispatch; and its gradient is not kept waiting. */
const SMALL = 2 ** 20;

interface Sum {
  readonly grad: Tensor;
  readonly gradient: Tensor;
}

let waiting: Sum[] = [];

/**
 * grad += gradient, in a dispatch shared with other small ones: runs at the latest when `addWaiting()` is called. Sums
 * into one tensor keep their order, so that grouping changes no bit. `GROUP=0` runs each at once.
 */
export function addGradient(grad: Tensor, gradient: Tensor): void {
  const clashes = waiting.some(
    (sum) =>
      sum.grad.storage === grad.storage ||
      sum.gradient.storage === grad.storage ||
      sum.grad.storage === gradient.storage ||
      sum.grad.device !== grad.device,
  );
  if (clashes) addWaiting();
  const few = grad.device.traits.maxStorageBuffers < 2 * ACCUMULATE_GROUP;
  if (few || grad.storage.bytes > SMALL || platform().env('GROUP') === '0') {
    addInto(grad, gradient);
    return;
  }
  waiting.push({ grad, gradient });
  if (waiting.length === ACCUMULATE_GROUP) addWaiting();
}

/** Runs the sums that wait. */
export function addWaiting(): void {
  const sums = waiting;
  waiting = [];
  if (sums.length < ACCUMULATE_GROUP) {
    for (const { grad, gradient } of sums) addInto(grad, gradient);
    return;
  }
  sums[0].grad.device.run(
    accumulate8Kernel,
    grouped(sums, ({ grad, gradient }) => ({ source: gradient.storage, out: grad.storage })),
    grouped(sums, ({ grad }) => ({ size: grad.size })),
  );
}

/** Forgets them: the backward that made them failed. */
export function dropWaiting(): void {
  waiting = [];
}
