import { fillKernel } from '../../kernels/elementwise/fill.ts';
import type { Device } from '../runtime/device.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { requireDtype } from './shapes.ts';

/** A tensor of one value (f32). */
export function fill(shape: Shape, value: number, options: { device?: Device; label?: string } = {}): Tensor {
  const out = Tensor.empty(shape, { label: 'fill', ...options });
  out.device.run(fillKernel, { out: out.storage }, { size: out.size, value });
  return out;
}

export const zeros = (shape: Shape, options: { device?: Device; label?: string } = {}): Tensor =>
  fill(shape, 0, options);
export const ones = (shape: Shape, options: { device?: Device; label?: string } = {}): Tensor =>
  fill(shape, 1, options);

/** Sets every element of an existing tensor (f32). */
export function fillInto(out: Tensor, value: number): void {
  requireDtype('fillInto', out.label, out, 'f32');
  out.device.run(fillKernel, { out: out.storage }, { size: out.size, value });
}
