import { VEC4 } from '../common/value.ts';
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
    {
      name: 'vec4',
      adds: 'four elements per invocation',
      supports: ({ size }) => size % 4 === 0,
      passes: ({ batch, size, hasYes, hasNo }) => [
        {
          source: wgsl(import.meta.url, 'select-samples.wgsl'),
          constants: { ...VEC4, HAS_YES: hasYes === 1, HAS_NO: hasNo === 1 },
          params: { size: size / 4 },
          workgroups: workgroupsFor((batch * size) / 4, 64),
        },
      ],
    },
  ],
});
