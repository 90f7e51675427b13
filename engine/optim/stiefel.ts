import { orthonormaliseKernel } from '../../kernels/spectral/orthonormalise.ts';
import { sub } from '../ops/arithmetic.ts';
import { symmetrised } from '../ops/covariance.ts';
import { runMatmul } from '../ops/matmul.ts';
import { shapeError } from '../ops/op.ts';
import { noGrad } from '../tape.ts';
import { Tensor } from '../tensor.ts';

/**
 * The Riemannian gradient of a weight with orthonormal columns [rows, columns]: the Euclidean gradient projected onto the tangent space of the
 * Stiefel manifold, g − W sym(Wᵀg). An optimiser takes it in place of g and calls `stiefelRetract` after its step.
 */
export function stiefelTangent(weight: Tensor, gradient: Tensor): Tensor {
  checkShape(weight);
  const [rows, columns] = weight.shape;
  const { device } = weight;
  const inner = Tensor.empty([columns, columns], { device, label: 'stiefel inner' });
  runMatmul(weight, gradient, inner, true, false);
  const normal = Tensor.empty([rows, columns], { device, label: 'stiefel normal' });
  runMatmul(weight, symmetrised(inner), normal, false, false);
  return noGrad(() => sub(gradient, normal));
}

/**
 * Brings a weight back onto the Stiefel manifold after a step, in place: the Q of its QR decomposition with a positive diagonal of R, as in
 * manopt and geoopt. Without the sign a column could flip from one step to the next. Needs linearly independent columns.
 */
export function stiefelRetract(weight: Tensor): void {
  checkShape(weight);
  const [rows, columns] = weight.shape;
  weight.device.run(orthonormaliseKernel, { matrix: weight.storage }, { rows, columns });
}

function checkShape({ shape }: Tensor): void {
  if (shape.length !== 2 || shape[1] > shape[0] || shape[1] < 1) {
    throw shapeError('stiefel', [shape], 'Needed: [rows, columns] with rows ≥ columns ≥ 1.');
  }
}
