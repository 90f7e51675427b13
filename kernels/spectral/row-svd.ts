import { defineKernel, foldWorkgroups, wgsl } from '../kernel.ts';

export const rowSvdKernel = defineKernel({
  name: 'row-svd',
  computes: 'matrix[b]ᵀ matrix[b] = Σ_k values[b, k] u_k u_kᵀ, u_k = vectors[b, k, :], for rows ≤ width; any order',
  bindings: { matrix: 'read', values: 'write', vectors: 'write' },
  params: { batch: 'u32', rows: 'u32', width: 'u32' },
  cost: ({ batch, rows, width }) => ({ flops: 42 * batch * rows * rows * width, bytes: 8 * batch * rows * width }),
  variants: [
    {
      name: 'serial',
      adds: 'cyclic one-sided Jacobi, one invocation per matrix',
      passes: ({ batch }) => [{ source: wgsl(import.meta.url, 'svd-serial.wgsl'), workgroups: foldWorkgroups(batch) }],
    },
    {
      name: 'team',
      adds: 'a small workgroup per matrix: eight lanes of a CPU, thirty-two of a GPU',
      passes: ({ batch }, _tile, { family }) => [
        {
          source: wgsl(import.meta.url, 'svd-team.wgsl'),
          constants: { SIZE: family === 'lanes' ? 8 : 32 },
          workgroups: foldWorkgroups(batch),
        },
      ],
    },
  ],
});
