import { ssimKernel } from '../../kernels/ssim/ssim.ts';
import { ShapeError } from '../errors.ts';
import { formatShape, type Tensor } from '../tensor.ts';
import { apply, defineOp, shapeError } from './op.ts';

export const ssimOp = defineOp<Record<string, never>>({
  name: 'ssim',
  nondifferentiable: 'compares finished 8-bit pictures; nothing is trained through it',
  inputDtypes: 'any',
  outputShape: ([a, b]) => {
    const [height = 0, width = 0] = a;
    if (a.length !== 2 || b.length !== 3 || b[1] !== height || b[2] !== width || Math.min(height, width) < 11) {
      throw shapeError('ssim', [a, b], 'One picture [height, width] and others [n, height, width], at least 11×11.');
    }
    return [b[0]];
  },
  forward: ([a, b], out) => {
    const [height, width] = a.shape;
    if (a.dtype !== 'u8' || b.dtype !== 'u8') {
      throw new ShapeError(`ssim: ${a.dtype} ${formatShape(a.shape)} and ${b.dtype} found; both must be u8.`);
    }
    out.device.run(ssimKernel, { a: a.storage, b: b.storage, out: out.storage }, { pairs: b.shape[0], width, height });
    return [];
  },
});

/**
 * Mean structural similarity of a picture with each of several others: a [height, width] and b [n, height, width], u8,
 * grey → [n], f32. 11×11 windows of equal weight, k1 0.01, k2 0.03, as the package ssim.js computes it by default (Wang
 * et al. 2004, eq. 13); equal to it within 1e-4. Not differentiable.
 */
export const ssim = (a: Tensor, b: Tensor): Tensor => apply(ssimOp, [a, b], {});
