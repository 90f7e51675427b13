import { defineKernel, wgsl } from '../kernel.ts';

const ROWS = 16;

export const skipMatmulKernel = defineKernel({
  name: 'skip-matmul',
  computes: 'out[b] = skip[b] ≠ 0 ? instead[b] (or 0) : op(left[b]) · op(right[b]), n × n',
  bindings: { left: 'read', right: 'read', skip: 'read', instead: 'read', out: 'write' },
  params: { batch: 'u32', n: 'u32', transposeLeft: 'u32', transposeRight: 'u32', hasInstead: 'u32' },
  // Of a batch that is skipped, as nearly always.
  cost: ({ batch, n }) => ({ flops: 0, bytes: 8 * batch * n * n }),
  variants: [
    {
      name: 'naive',
      adds: 'sixteen rows per workgroup',
      passes: ({ batch, n, transposeLeft, transposeRight, hasInstead }) => [
        {
          source: wgsl(import.meta.url, 'skip-matmul.wgsl'),
          constants: {
            TRANSPOSE_LEFT: transposeLeft === 1,
            TRANSPOSE_RIGHT: transposeRight === 1,
            HAS_INSTEAD: hasInstead === 1,
          },
          workgroups: [Math.ceil(n / ROWS), batch],
        },
      ],
    },
  ],
});
