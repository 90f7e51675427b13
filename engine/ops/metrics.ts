import { argmaxKernel, confusionKernel, correctKernel } from '../../kernels/loss/metrics.ts';
import type { Tensor } from '../tensor.ts';
import { apply, defineOp, shapeError } from './op.ts';
import { requireDtype } from './shapes.ts';

type None = Record<string, never>;

export const argmaxOp = defineOp<None>({
  name: 'argmax',
  nondifferentiable: 'an index does not change smoothly',
  outputDtype: 'u32',
  outputShape: ([x]) => {
    if (x.length < 1) throw shapeError('argmax', [x], 'Needed: at least one dimension.');
    return x.slice(0, -1);
  },
  forward: ([x], out) => {
    x.device.run(argmaxKernel, { x: x.storage, out: out.storage }, { rows: out.size, length: x.shape[x.ndim - 1] });
    return [];
  },
});

export const correctCountOp = defineOp<None>({
  name: 'correctCount',
  nondifferentiable: 'a count does not change smoothly',
  inputDtypes: 'any',
  outputShape: ([x, labels]) => {
    if (x.length !== 2 || labels.length !== 1 || labels[0] !== x[0]) {
      throw shapeError('correctCount', [x, labels], 'Needed: logits [n, classes] and labels [n].');
    }
    return [];
  },
  forward: ([x, labels], out) => {
    requireDtype('correctCount', 'its logits', x, 'f32');
    requireDtype('correctCount', 'its labels', labels, 'u32', 'i32');
    x.device.run(
      correctKernel,
      { x: x.storage, labels: labels.storage, out: out.storage },
      { rows: x.shape[0], length: x.shape[1] },
    );
    return [];
  },
});

/** Index of the first largest value over the last dimension, as u32. */
export const argmax = (x: Tensor): Tensor => apply(argmaxOp, [x], {});

/**
 * How many rows of logits [n, classes] have their first largest value at their label [n] → a number (f32). Labels that
 * name no class (ignored rows) never match.
 */
export const correctCount = (x: Tensor, labels: Tensor): Tensor => apply(correctCountOp, [x, labels], {});

/**
 * Adds a batch to a confusion matrix, in place: counts [classes, classes] (u32), row = label, column = prediction.
 * Labels that name no class count nowhere.
 */
export function confusionInto(counts: Tensor, predicted: Tensor, labels: Tensor): void {
  requireDtype('confusionInto', 'counts', counts, 'u32');
  requireDtype('confusionInto', 'predicted', predicted, 'u32', 'i32');
  requireDtype('confusionInto', 'labels', labels, 'u32', 'i32');
  const [classes] = counts.shape;
  if (counts.ndim !== 2 || counts.shape[1] !== classes || predicted.size !== labels.size) {
    throw shapeError(
      'confusionInto',
      [counts.shape, predicted.shape, labels.shape],
      'Needed: counts [classes, classes], predicted [n], labels [n].',
    );
  }
  counts.device.run(
    confusionKernel,
    { predicted: predicted.storage, labels: labels.storage, counts: counts.storage },
    { rows: labels.size, classes },
  );
}
