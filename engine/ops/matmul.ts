import { matmulKernel } from '../../kernels/matmul/matmul.ts';
import { sizeOf, Tensor } from '../tensor.ts';
import { apply, defineOp, shapeError } from './op.ts';

/** Batched product without the tape: op(left) · op(right), leading dimensions equal. */
export function runMatmul(
  left: Tensor,
  right: Tensor,
  out: Tensor,
  transposeLeft: boolean,
  transposeRight: boolean,
): void {
  const [m, n] = out.shape.slice(-2);
  const k = left.shape[left.ndim - (transposeLeft ? 2 : 1)];
  out.device.run(
    matmulKernel,
    { left: left.storage, right: right.storage, out: out.storage },
    {
      batch: sizeOf(out.shape.slice(0, -2)),
      m,
      n,
      k,
      transposeLeft: Number(transposeLeft),
      transposeRight: Number(transposeRight),
    },
  );
}

function product(left: Tensor, right: Tensor, transposeLeft: boolean, transposeRight: boolean): Tensor {
  const m = left.shape[left.ndim - (transposeLeft ? 1 : 2)];
  const n = right.shape[right.ndim - (transposeRight ? 2 : 1)];
  const out = Tensor.empty([...left.shape.slice(0, -2), m, n], { device: left.device, label: 'matmul' });
  runMatmul(left, right, out, transposeLeft, transposeRight);
  return out;
}

export const matmulOp = defineOp<Record<string, never>>({
  name: 'matmul',
  outputShape: ([a, b]) => {
    const fits =
      a.length >= 2 &&
      a.length === b.length &&
      a[a.length - 1] === b[b.length - 2] &&
      a.slice(0, -2).every((d, i) => d === b[i]);
    if (!fits) throw shapeError('matmul', [a, b], 'Needed: [..., m, k] and [..., k, n] with equal leading dimensions.');
    return [...a.slice(0, -1), b[b.length - 1]];
  },
  forward: ([a, b], out) => {
    runMatmul(a, b, out, false, false);
    return [a, b];
  },
  // dA = dY · Bᵀ, dB = Aᵀ · dY
  backward: (gradient, [a, b], _attributes, { needs }) => [
    needs[0] ? product(gradient, b, false, true) : undefined,
    needs[1] ? product(a, gradient, true, false) : undefined,
  ],
});

/** Matrix product of the last two dimensions; leading dimensions are equal. [..., m, k] · [..., k, n] → [..., m, n]. */
export const matmul = (a: Tensor, b: Tensor): Tensor => apply(matmulOp, [a, b], {});
