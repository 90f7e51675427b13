import { VEC4 } from '../common/value.ts';
import { type Constants, defineKernel, type Pass, wgsl, workgroupsFor } from '../kernel.ts';

const stridedParams = {
  size: 'u32',
  d1: 'u32',
  d2: 'u32',
  d3: 'u32',
  xOffset: 'u32',
  x0: 'u32',
  x1: 'u32',
  x2: 'u32',
  x3: 'u32',
  outOffset: 'u32',
  o0: 'u32',
  o1: 'u32',
  o2: 'u32',
  o3: 'u32',
} as const;
type Strided = Readonly<Record<keyof typeof stridedParams, number>>;

const copyPass = (p: Strided, width: number, constants: Constants): Pass => {
  const scaled = Object.fromEntries(
    (['d3', 'xOffset', 'x0', 'x1', 'x2', 'outOffset', 'o0', 'o1', 'o2'] as const).map((k) => [k, p[k] / width]),
  );
  return {
    source: wgsl(import.meta.url, 'strided-copy.wgsl'),
    constants,
    params: { values: p.size / width, ...scaled },
    workgroups: workgroupsFor(p.size / width, 64),
  };
};

/** `out` counts as wholly written: an op whose copies leave gaps fills them before. */
export const stridedCopyKernel = defineKernel({
  name: 'stridedCopy',
  computes: 'out[outOffset + Σ i·o] = x[xOffset + Σ i·x]',
  bindings: { x: 'read', out: 'write' },
  params: stridedParams,
  cost: ({ size }) => ({ flops: 0, bytes: 8 * size }),
  variants: [
    { name: 'naive', adds: 'one element per invocation', passes: (p) => [copyPass(p, 1, { Value: 'u32' })] },
    {
      name: 'vec4',
      adds: 'runs of four neighbours as one vec4',
      supports: (p) =>
        p.x3 === 1 &&
        p.o3 === 1 &&
        [p.d3, p.xOffset, p.x0, p.x1, p.x2, p.outOffset, p.o0, p.o1, p.o2].every((v) => v % 4 === 0),
      passes: (p) => [copyPass(p, 4, { ...VEC4, Value: 'vec4u' })],
    },
  ],
});
