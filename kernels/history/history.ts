import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';

export const historyKernel = defineKernel({
  name: 'history',
  computes: 'out[b] = pool[fetch_b] or x[b];  pool[store_b] = x[b]',
  bindings: { x: 'read', decisions: 'read', pool: 'update', out: 'write' },
  params: { batch: 'u32', size: 'u32' },
  cost: ({ batch, size }) => ({ flops: 0, bytes: 16 * batch * size }),
  variants: [
    {
      name: 'naive',
      adds: 'one value of every picture per invocation',
      passes: ({ size }) => [{ source: wgsl(import.meta.url, 'history.wgsl'), workgroups: workgroupsFor(size, 64) }],
    },
  ],
});
