import { mayRoundToHalves } from '../precision.ts';
import { Tensor } from '../tensor.ts';
import { columnSum, type Epilogue, type EpilogueOptions, resolveEpilogue, throughActivation } from './epilogue.ts';
import { asRows, runMatmul } from './matmul.ts';
import { apply, defineOp, shapeError } from './op.ts';

export const linearOp = defineOp<Epilogue>({
  name: 'linear',
  outputShape: ([x, weight, bias]) => {
    const [features, out] = weight;
    if (weight.length !== 2 || x.length < 1 || x[x.length - 1] !== features) {
      throw shapeError('linear', [x, weight], 'Needed: x [..., in] and weight [in, out].');
    }
    if (bias && (bias.length !== 1 || bias[0] !== out)) {
      throw shapeError('linear', [weight, bias], `Needed: a bias of [${out}], one per output feature.`);
    }
    return [...x.slice(0, -1), out];
  },
  forward: ([x, weight, bias], out, epilogue) => {
    runMatmul(asRows(x), weight, asRows(out), false, false, {
      ...(bias && { bias }),
      epilogue,
      half: mayRoundToHalves(),
    });
    return epilogue.activation === 0 ? [x, weight] : [x, weight, out];
  },
  // dX = g · Wᵀ, dW = Xᵀ · g, db = Σ_rows g, with g = dY · f'(Y)
  backward: (gradient, [x, weight, y], epilogue, { needs }) => {
    const g = asRows(throughActivation(gradient, y, epilogue));
    const result: (Tensor | undefined)[] = [];
    if (needs[0]) {
      const dx = Tensor.empty(x.shape, { device: x.device, label: 'linear input gradient' });
      runMatmul(g, weight, asRows(dx), false, true, { half: mayRoundToHalves() });
      result[0] = dx;
    }
    if (needs[1]) {
      const dw = Tensor.empty(weight.shape, { device: x.device, label: 'linear weight gradient' });
      runMatmul(asRows(x), g, dw, true, false, { half: mayRoundToHalves() });
      result[1] = dw;
    }
    if (needs[2]) result[2] = columnSum(g);
    return result;
  },
});

/**
 * f(x · weight + bias). x [..., in], weight [in, out] (PyTorch's transposed), bias [out] → [..., out]. The activation f
 * is applied in the same pass. Throws ShapeError when sizes do not fit.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, options: EpilogueOptions = {}): Tensor {
  return apply(linearOp, bias ? [x, weight, bias] : [x, weight], resolveEpilogue('linear', options));
}
