import { VEC4 } from '../common/value.ts';
import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';

/** Scalar functions g that spectral-function.wgsl knows; f is g of the eigenvalue clamped to [floor, ceiling]. */
export const SPECTRAL_FUNCTIONS = ['identity', 'log', 'sqrt'] as const;
export type SpectralFunctionName = (typeof SPECTRAL_FUNCTIONS)[number];

const params = { function: 'u32', batch: 'u32', n: 'u32', floor: 'f32', ceiling: 'f32' } as const;

export const spectralScaleKernel = defineKernel({
  name: 'spectral-scale',
  computes: 'out[b, k, :] = f(values[b, k]) · vectors[b, k, :]',
  bindings: { values: 'read', vectors: 'read', skip: 'read', out: 'write' },
  params,
  cost: ({ batch, n }) => ({ flops: batch * n * n, bytes: 8 * batch * n * n }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ batch, n, function: f }) => [
        {
          source: wgsl(import.meta.url, 'spectral-scale.wgsl'),
          constants: { FUNCTION: f },
          workgroups: workgroupsFor(batch * n * n, 64),
        },
      ],
    },
    {
      name: 'vec4',
      adds: 'four elements per invocation',
      supports: ({ n }) => n % 4 === 0,
      passes: ({ batch, n, function: f }) => [
        {
          source: wgsl(import.meta.url, 'spectral-scale.wgsl'),
          constants: { ...VEC4, FUNCTION: f },
          workgroups: workgroupsFor((batch * n * n) / 4, 64),
        },
      ],
    },
  ],
});

export const loewnerKernel = defineKernel({
  name: 'loewner',
  computes: 'out = L ∘ sym(inner), L_ij = f[λ_i, λ_j]',
  bindings: { values: 'read', inner: 'read', skip: 'read', out: 'write' },
  params,
  cost: ({ batch, n }) => ({ flops: 20 * batch * n * n, bytes: 8 * batch * n * n }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ batch, n, function: f }) => [
        {
          source: wgsl(import.meta.url, 'loewner.wgsl'),
          constants: { FUNCTION: f },
          workgroups: workgroupsFor(batch * n * n, 64),
        },
      ],
    },
    {
      name: 'vec4',
      adds: 'four elements per invocation',
      supports: ({ n }) => n % 4 === 0,
      passes: ({ batch, n, function: f }) => [
        {
          source: wgsl(import.meta.url, 'loewner-vec4.wgsl'),
          constants: { ...VEC4, FUNCTION: f },
          workgroups: workgroupsFor((batch * n * n) / 4, 64),
        },
      ],
    },
  ],
});
