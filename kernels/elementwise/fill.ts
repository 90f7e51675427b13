import { bySize, vec4Rungs } from '../common/elements.ts';
import { defineKernel, wgsl } from '../kernel.ts';

export const fillKernel = defineKernel({
  name: 'fill',
  computes: 'out[i] = value',
  bindings: { out: 'write' },
  params: { size: 'u32', value: 'f32' },
  cost: ({ size }) => ({ flops: 0, bytes: 4 * size }),
  variants: vec4Rungs<'size' | 'value'>(() => ({ source: wgsl(import.meta.url, 'fill.wgsl') }), bySize),
});
