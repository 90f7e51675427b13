import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';

export const sortEigenKernel = defineKernel({
  name: 'sort-eigen',
  computes: 'sorted ascending; vectors[:, :, k] = the row of `rows` that belongs to sorted[k], largest entry positive',
  bindings: { values: 'read', rows: 'read', sorted: 'write', vectors: 'write' },
  params: { batch: 'u32', n: 'u32' },
  cost: ({ batch, n }) => ({ flops: batch * n * n, bytes: 8 * batch * n * n }),
  variants: [
    {
      name: 'naive',
      adds: 'one eigenvalue per invocation',
      passes: ({ batch, n }) => [
        { source: wgsl(import.meta.url, 'sort-eigen.wgsl'), workgroups: workgroupsFor(batch * n, 64) },
      ],
    },
  ],
});
