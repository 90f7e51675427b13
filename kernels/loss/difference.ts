import { VEC4 } from '../common/value.ts';
import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';

export const differenceGradientKernel = defineKernel({
  name: 'differenceGradient',
  computes: 'out = gradient · factor · sign(x − y), or 2 (x − y)',
  bindings: { gradient: 'read', x: 'read', y: 'read', out: 'write' },
  params: { size: 'u32', squared: 'u32', factor: 'f32' },
  cost: ({ size }) => ({ flops: 3 * size, bytes: 12 * size }),
  variants: [1, 4].map((width) => ({
    name: width === 1 ? 'naive' : 'vec4',
    adds: width === 1 ? 'one element per invocation' : 'one vec4 per invocation',
    passes: ({ size, squared }) => [
      {
        source: wgsl(import.meta.url, 'difference-gradient.wgsl'),
        constants: { SQUARED: squared === 1, ...(width === 4 ? VEC4 : {}) },
        workgroups: workgroupsFor(size, 64 * width),
      },
    ],
  })),
});
