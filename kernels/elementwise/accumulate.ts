import { bySize, vec4Rungs } from '../common/elements.ts';
import { groupedKernel } from '../common/grouped.ts';
import { defineKernel, wgsl } from '../kernel.ts';

export const accumulateKernel = defineKernel({
  name: 'accumulate',
  computes: 'out += scale · source',
  bindings: { source: 'read', out: 'update' },
  params: { size: 'u32', scale: 'f32' },
  cost: ({ size }) => ({ flops: 2 * size, bytes: 12 * size }),
  variants: vec4Rungs<'size' | 'scale'>(() => ({ source: wgsl(import.meta.url, 'accumulate.wgsl') }), bySize),
});

/** Tensors that one dispatch of `accumulate8` adds to: two storage buffers each. */
export const ACCUMULATE_GROUP = 8;

export const accumulate8Kernel = groupedKernel({
  name: 'accumulate8',
  computes: 'out += source for eight tensors',
  base: import.meta.url,
  count: ACCUMULATE_GROUP,
  bindings: { source: 'read', out: 'update' },
  body: (k) => `out${k}[i] = out${k}[i] + source${k}[i];`,
  cost: { flops: 1, bytes: 12 },
});

export const scaleKernel = defineKernel({
  name: 'scale',
  computes: 'out = scale · source',
  bindings: { source: 'read', out: 'write' },
  params: { size: 'u32', scale: 'f32' },
  cost: ({ size }) => ({ flops: size, bytes: 8 * size }),
  variants: vec4Rungs<'size' | 'scale'>(
    () => ({ source: wgsl(import.meta.url, 'accumulate.wgsl'), constants: { OVERWRITE: true } }),
    bySize,
  ),
});
