import { defineKernel, foldWorkgroups, wgsl } from '../kernel.ts';
import { lanesVariant } from './eigh-lanes.ts';
import { roundRobinVariant } from './eigh-round-robin.ts';

export const eighKernel = defineKernel({
  name: 'eigh',
  computes: 'matrix[b] = Σ_k values[b, k] u_k u_kᵀ, u_k = vectors[b, k, :], for symmetric matrices; any order',
  bindings: { matrix: 'read', skip: 'read', values: 'write', vectors: 'write' },
  params: { batch: 'u32', n: 'u32' },
  // Seven n³ a sweep, eight sweeps.
  cost: ({ batch, n }) => ({ flops: 56 * batch * n ** 3, bytes: 4 * batch * (2 * n * n + n) }),
  variants: [
    {
      name: 'serial',
      adds: 'Cholesky in double-single, then cyclic one-sided Jacobi; one invocation per matrix',
      scratch: ({ batch, n }) => ({ low: 4 * batch * n * n }),
      passes: ({ batch }) => [
        { source: wgsl(import.meta.url, 'eigh-serial.wgsl'), params: { zero: 0 }, workgroups: foldWorkgroups(batch) },
      ],
    },
    roundRobinVariant,
    lanesVariant,
  ],
});
