import { bySize, vec4Rungs } from '../common/elements.ts';
import { defineKernel, wgsl } from '../kernel.ts';

export const dropoutKernel = defineKernel({
  name: 'dropout',
  computes: 'out = x / (1 − rate) where the draw is at least rate, else 0',
  bindings: { x: 'read', out: 'write' },
  params: { size: 'u32', rate: 'f32', call: 'u32', key0: 'u32', key1: 'u32' },
  cost: ({ size }) => ({ flops: 40 * size, bytes: 8 * size }),
  variants: vec4Rungs<'size' | 'rate' | 'call' | 'key0' | 'key1'>(
    () => ({ source: wgsl(import.meta.url, 'dropout.wgsl') }),
    bySize,
    {
      adds: 'four elements, one Philox block, per invocation',
    },
  ),
});
