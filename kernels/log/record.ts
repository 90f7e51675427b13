import { defineKernel, wgsl } from '../kernel.ts';

/** Scalars that one row can hold: with the log, seven of the eight storage buffers that WebGPU guarantees. */
export const MAX_RECORDED = 6;

export const recordKernel = defineKernel({
  name: 'record',
  computes: 'log[slot] = (v0, …, v5)',
  bindings: { v0: 'read', v1: 'read', v2: 'read', v3: 'read', v4: 'read', v5: 'read', log: 'update' },
  params: { slot: 'u32', width: 'u32' },
  cost: ({ width }) => ({ flops: 0, bytes: 8 * width }),
  variants: [
    {
      name: 'naive',
      adds: 'one invocation',
      passes: () => [{ source: wgsl(import.meta.url, 'record.wgsl'), workgroups: [1] }],
    },
  ],
});
