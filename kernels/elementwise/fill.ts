import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';

export const fillKernel = defineKernel({
  name: 'fill',
  computes: 'out[i] = value',
  bindings: { out: 'write' },
  params: { size: 'u32', value: 'f32' },
  cost: ({ size }) => ({ flops: 0, bytes: 4 * size }),
  variants: [
    {
      name: 'vec4',
      adds: 'one vec4 per invocation',
      passes: ({ size }) => [{ source: wgsl(import.meta.url, 'fill.wgsl'), workgroups: workgroupsFor(size, 256) }],
    },
  ],
});
