import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';

export const matmulKernel = defineKernel({
  name: 'matmul',
  computes: 'out[b] = op(left[b]) · op(right[b])',
  bindings: { left: 'read', right: 'read', out: 'write' },
  params: { batch: 'u32', m: 'u32', n: 'u32', k: 'u32', transposeLeft: 'u32', transposeRight: 'u32' },
  cost: ({ batch, m, n, k }) => ({ flops: 2 * batch * m * n * k, bytes: 4 * batch * (m * k + k * n + m * n) }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ batch, m, n, transposeLeft, transposeRight }) => [
        {
          source: wgsl(import.meta.url, 'matmul-naive.wgsl'),
          constants: { TRANSPOSE_LEFT: transposeLeft === 1, TRANSPOSE_RIGHT: transposeRight === 1 },
          workgroups: workgroupsFor(batch * m * n, 64),
        },
      ],
    },
  ],
});
