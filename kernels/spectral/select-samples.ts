import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';

export const selectSamplesKernel = defineKernel({
  name: 'select-samples',
  computes: 'out[b] = choose[b] ≠ 0 ? yes[b] : no[b]',
  bindings: { choose: 'read', yes: 'read', no: 'read', out: 'write' },
  params: { batch: 'u32', size: 'u32', hasYes: 'u32', hasNo: 'u32' },
  cost: ({ batch, size }) => ({ flops: 0, bytes: 8 * batch * size }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ batch, size, hasYes, hasNo }) => [
        {
          source: wgsl(import.meta.url, 'select-samples.wgsl'),
          constants: { HAS_YES: hasYes === 1, HAS_NO: hasNo === 1 },
          workgroups: workgroupsFor(batch * size, 64),
        },
      ],
    },
  ],
});
