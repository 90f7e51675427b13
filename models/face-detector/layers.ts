import { CheckpointError, conv2d, type Tensor, tensor } from '../../engine/index.ts';
import type { Weight, Weights } from './weights.ts';

/** A convolution with everything it needs, ready to be applied. */
export interface Layer {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  readonly options: NonNullable<Parameters<typeof conv2d>[3]>;
}

export const applyLayer = (x: Tensor, { weight, bias, options }: Layer): Tensor => conv2d(x, weight, bias, options);

/** @throws CheckpointError when the file has no such tensor. */
export function weightNamed(weights: Weights, name: string): Weight {
  const weight = weights.get(name);
  if (!weight) throw new CheckpointError(`The detector's weights have no ${name}.`);
  return weight;
}

export const toTensor = ({ values, shape }: Weight): Tensor => tensor(values, shape).keep();

/** TensorFlow's depthwise filter [h, w, channels, 1] as the engine's grouped one [h, w, 1, channels]: the same bytes. */
export function depthwise({ values, shape: [h = 0, w = 0, channels = 0] }: Weight): Weight {
  return { values, shape: [h, w, 1, channels] };
}

/**
 * TensorFlow's padding 'same' with stride 2 on an even size adds one row at the bottom and one column at the right, and
 * none at the top and left. The same sums come from padding of 1 all round with a filter that has a row and a column of
 * zeros before its own: [h, w, …] → [h + 1, w + 1, …].
 */
export function shifted({ values, shape: [h = 0, w = 0, cin = 0, cout = 0] }: Weight): Weight {
  const out = new Float32Array((h + 1) * (w + 1) * cin * cout);
  const depth = cin * cout;
  for (let y = 0; y < h; y++) {
    const row = values.subarray(y * w * depth, (y + 1) * w * depth);
    out.set(row, ((y + 1) * (w + 1) + 1) * depth);
  }
  return { values: out, shape: [h + 1, w + 1, cin, cout] };
}

/** Frees the tensors of layers, however they are nested. */
export function disposeLayers(layers: unknown): void {
  if (!layers || typeof layers !== 'object') return;
  const { weight, bias } = layers as Partial<Layer>;
  weight?.dispose();
  bias?.dispose();
  if (!weight) for (const inner of Object.values(layers)) disposeLayers(inner);
}
