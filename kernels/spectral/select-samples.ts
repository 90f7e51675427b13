import { covered, oneEach, vec4Rungs } from '../common/elements.ts';
import { VEC4 } from '../common/value.ts';
import { defineKernel, wgsl } from '../kernel.ts';

const source = wgsl(import.meta.url, 'select-samples.wgsl');
const sides = ({ hasYes, hasNo }: Readonly<Record<'hasYes' | 'hasNo', number>>) => ({
  HAS_YES: hasYes === 1,
  HAS_NO: hasNo === 1,
});

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
      passes: (p) => [covered({ source, constants: sides(p) }, oneEach(p.batch * p.size))],
    },
    ...vec4Rungs<'batch' | 'size' | 'hasYes' | 'hasNo'>(
      (p) => ({ source, constants: { ...VEC4, ...sides(p) }, params: { size: p.size / 4 } }),
      ({ batch, size }) => (batch * size) / 4,
      { adds: 'four elements per invocation', supports: ({ size }) => size % 4 === 0 },
    ),
  ],
});
