import { BINARY_OPS, type BinaryName, binaryKernel } from '../../kernels/elementwise/binary.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { broadcastShape, broadcastStrides, mergeDimensions, sameShape } from './shapes.ts';

/** Writes a ∘ b into `out`, which has the broadcast shape; off the tape. */
export function runBinary(name: BinaryName, a: Tensor, b: Tensor, out: Tensor): void {
  const { dims, strides } = mergeDimensions(name, out.shape, [
    broadcastStrides(a.shape, out.shape),
    broadcastStrides(b.shape, out.shape),
  ]);
  const [, d1, d2, d3] = dims;
  const [[a0, a1, a2, a3], [b0, b1, b2, b3]] = strides;
  const same = sameShape(a.shape, out.shape) && sameShape(b.shape, out.shape) ? 1 : 0;
  out.device.run(
    binaryKernel,
    { a: a.storage, b: b.storage, out: out.storage },
    { op: BINARY_OPS.indexOf(name), size: out.size, d1, d2, d3, a0, a1, a2, a3, b0, b1, b2, b3, same },
  );
}

/** a ∘ b as a new tensor, off the tape. */
export function binary(name: BinaryName, a: Tensor, b: Tensor, shape?: Shape): Tensor {
  const out = Tensor.empty(shape ?? broadcastShape(name, a.shape, b.shape), { device: a.device, label: name });
  runBinary(name, a, b, out);
  return out;
}
