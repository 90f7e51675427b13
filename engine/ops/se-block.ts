import { seExciteBackwardKernel, seExciteKernel, seGatedKernel } from '../../kernels/se/se.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { apply, defineOp, shapeError } from './op.ts';
import { runReduce } from './reduce.ts';

export interface SeBlockAttributes {
  readonly hasBias: boolean;
}

export interface SeBlockOptions {
  /** [hidden] and [c]; both or neither. */
  readonly bias1?: Tensor;
  readonly bias2?: Tensor;
}

const sizesOf = ([batch, height, width, channels]: Shape) => ({ batch, positions: height * width, channels });

/** Marks the positions of [n, h, w, c]. */
const POSITIONS = [false, true, true, false];

export const seBlockOp = defineOp<SeBlockAttributes>({
  name: 'seBlock',
  outputShape: ([x, weight1, weight2, bias1, bias2]) => {
    const [channels, hidden] = weight1;
    const fits = x.length === 4 && weight1.length === 2 && channels === x[3];
    if (!fits || weight2.join() !== `${hidden},${channels}`) {
      throw shapeError('seBlock', [x, weight1, weight2], 'Needed: x [n, h, w, c], [c, hidden] and [hidden, c].');
    }
    if (bias1 && bias2 && (bias1.join() !== `${hidden}` || bias2.join() !== `${channels}`)) {
      throw shapeError('seBlock', [bias1, bias2], `Needed: biases of [${hidden}] and [${channels}].`);
    }
    return x;
  },
  forward: ([x, weight1, weight2, bias1, bias2], out, { hasBias }) => {
    const { device } = x;
    const { batch, positions, channels } = sizesOf(x.shape);
    const [, hiddenChannels] = weight1.shape;
    const squeezed = Tensor.empty([batch, channels], { device, label: 'seBlock squeezed' });
    runReduce(x, POSITIONS, squeezed, { scale: 1 / positions });
    const hidden = Tensor.empty([batch, hiddenChannels], { device, label: 'seBlock hidden' });
    const gate = Tensor.empty([batch, channels], { device, label: 'seBlock gate' });
    device.run(
      seExciteKernel,
      {
        squeezed: squeezed.storage,
        weight1: weight1.storage,
        bias1: bias1?.storage,
        weight2: weight2.storage,
        bias2: bias2?.storage,
        hidden: hidden.storage,
        gate: gate.storage,
      },
      { batch, channels, hiddenChannels, hasBias: Number(hasBias) },
    );
    device.run(
      seGatedKernel,
      { x: x.storage, gate: gate.storage, out: out.storage },
      { batch, positions, channels, hasAddend: 0 },
    );
    return [x, squeezed, hidden, gate, weight1, weight2];
  },
  backward: (gradient, [x, squeezed, hidden, gate, weight1, weight2], { hasBias }) => {
    const { device } = x;
    const { batch, positions, channels } = sizesOf(x.shape);
    const [, hiddenChannels] = weight1.shape;
    const make = (shape: Shape, label: string) => Tensor.empty(shape, { device, label: `seBlock ${label}` });
    const gateGradient = make([batch, channels], 'gate gradient');
    runReduce(gradient, POSITIONS, gateGradient, { map: 'product', y: x });
    const squeezedGradient = make([batch, channels], 'squeeze gradient');
    const dw1 = make(weight1.shape, 'weight1 gradient');
    const dw2 = make(weight2.shape, 'weight2 gradient');
    const db1 = make([hiddenChannels], 'bias1 gradient');
    const db2 = make([channels], 'bias2 gradient');
    device.run(
      seExciteBackwardKernel,
      {
        gateGradient: gateGradient.storage,
        gate: gate.storage,
        hidden: hidden.storage,
        squeezed: squeezed.storage,
        weight1: weight1.storage,
        weight2: weight2.storage,
        squeezedGradient: squeezedGradient.storage,
        weight1Gradient: dw1.storage,
        bias1Gradient: db1.storage,
        weight2Gradient: dw2.storage,
        bias2Gradient: db2.storage,
      },
      { batch, positions, channels, hiddenChannels },
    );
    const dx = make(x.shape, 'input gradient');
    device.run(
      seGatedKernel,
      { x: gradient.storage, gate: gate.storage, addend: squeezedGradient.storage, out: dx.storage },
      { batch, positions, channels, hasAddend: 1 },
    );
    return hasBias ? [dx, dw1, dw2, db1, db2] : [dx, dw1, dw2];
  },
});

/**
 * Squeeze and excitation (Hu, Shen & Sun 2018): x · sigmoid(relu(mean(x) · weight1 + bias1) · weight2 + bias2), the mean
 * over positions, the gate per channel. x [n, h, w, c], weight1 [c, hidden], weight2 [hidden, c].
 */
export function seBlock(x: Tensor, weight1: Tensor, weight2: Tensor, options: SeBlockOptions = {}): Tensor {
  const { bias1, bias2 } = options;
  if ((bias1 === undefined) !== (bias2 === undefined)) {
    throw shapeError('seBlock', [x.shape], 'Pass both biases or neither.');
  }
  const biases = bias1 && bias2 ? [bias1, bias2] : [];
  return apply(seBlockOp, [x, weight1, weight2, ...biases], { hasBias: biases.length > 0 });
}
