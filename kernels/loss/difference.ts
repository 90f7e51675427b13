import { bySize, covered, oneEach, vec4Rungs } from '../common/elements.ts';
import { VEC4 } from '../common/value.ts';
import { type Constants, defineKernel, type Pass, wgsl } from '../kernel.ts';

const pass = (squared: number, width: Constants): Omit<Pass, 'workgroups'> => ({
  source: wgsl(import.meta.url, 'difference-gradient.wgsl'),
  constants: { SQUARED: squared === 1, ...width },
});

export const differenceGradientKernel = defineKernel({
  name: 'differenceGradient',
  computes: 'out = gradient · factor · sign(x − y), or 2 (x − y)',
  bindings: { gradient: 'read', x: 'read', y: 'read', out: 'write' },
  params: { size: 'u32', squared: 'u32', factor: 'f32' },
  cost: ({ size }) => ({ flops: 3 * size, bytes: 12 * size }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ size, squared }) => [covered(pass(squared, {}), oneEach(size))],
    },
    ...vec4Rungs<'size' | 'squared' | 'factor'>(({ squared }) => pass(squared, VEC4), bySize),
  ],
});
