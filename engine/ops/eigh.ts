import { eighKernel } from '../../kernels/spectral/eigh.ts';
import { sortEigenKernel } from '../../kernels/spectral/sort-eigen.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { batchOf, empty } from './covariance.ts';
import { apply, defineOp, shapeError } from './op.ts';

/** The shape of a batch of square matrices, checked. */
export const squareShape = (op: string, a: Shape): Shape => {
  if (a.length < 2 || a[a.length - 1] !== a[a.length - 2] || a[a.length - 1] === 0) {
    throw shapeError(op, [a], 'Needed: symmetric matrices [..., n, n].');
  }
  return a;
};

/**
 * Eigenvalues [batch, n] and, as rows, eigenvectors [batch, n, n], in no order and off the tape: what a spectral function needs. Samples whose `skip`
 * ([batch] u32) is not 0 are not decomposed and get zeros.
 */
export function decompose(a: Tensor, skip?: Tensor): { values: Tensor; vectors: Tensor } {
  const n = a.shape[a.ndim - 1];
  const batch = batchOf(a);
  const values = empty(a, [batch, n], 'eigenvalues');
  const vectors = empty(a, [batch, n, n], 'eigenvectors');
  a.device.run(
    eighKernel,
    { matrix: a.storage, skip: skip?.storage, values: values.storage, vectors: vectors.storage },
    { batch, n },
  );
  return { values, vectors };
}

/** The output is the eigenvalues; the eigenvectors go into the attribute. */
export const eighOp = defineOp<{ readonly vectors: Tensor }>({
  name: 'eigh',
  outputShape: ([a]) => squareShape('eigh', a).slice(0, -1),
  nondifferentiable:
    'The gradient of eigenvectors divides by differences of eigenvalues, which covariances share by the dozen. ' +
    'What is wanted is a function of the matrix, which has a gradient everywhere: logEig, reEig, sqrtEig.',
  forward: ([a], out, { vectors }) => {
    const found = decompose(a);
    a.device.run(
      sortEigenKernel,
      { values: found.values.storage, rows: found.vectors.storage, sorted: out.storage, vectors: vectors.storage },
      { batch: batchOf(a), n: a.shape[a.ndim - 1] },
    );
    return [];
  },
});

/**
 * Eigenvalues, ascending, and eigenvectors, as columns, of symmetric matrices a [..., n, n]: a = vectors · diag(values) · vectorsᵀ (PyTorch's
 * linalg.eigh). The largest entry of each eigenvector is positive. Only (a + aᵀ) / 2 counts. Not differentiable; see eighOp.
 */
export function eigh(a: Tensor): { values: Tensor; vectors: Tensor } {
  const vectors = empty(a, squareShape('eigh', a.shape), 'eigenvectors');
  return { values: apply(eighOp, [a], { vectors }), vectors };
}
