import { covered, oneEach, vec4Rungs } from '../common/elements.ts';
import { VEC4 } from '../common/value.ts';
import { type Constants, defineKernel, type Variant, wgsl } from '../kernel.ts';

/** Scalar functions g that spectral-function.wgsl knows; f is g of the eigenvalue clamped to [floor, ceiling]. */
export const SPECTRAL_FUNCTIONS = ['identity', 'log', 'sqrt'] as const;
export type SpectralFunctionName = (typeof SPECTRAL_FUNCTIONS)[number];

const params = { function: 'u32', batch: 'u32', n: 'u32', floor: 'f32', ceiling: 'f32' } as const;

type P = keyof typeof params;

/** Scalar and vec4 rungs over the elements of `batch` matrices of n × n. */
const rungs = (scalar: string, vec4: string): readonly Variant<P>[] => {
  const pass = (file: string, f: number, width: Constants) => ({
    source: wgsl(import.meta.url, file),
    constants: { ...width, FUNCTION: f },
  });
  return [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ batch, n, function: f }) => [covered(pass(scalar, f, {}), oneEach(batch * n * n))],
    },
    ...vec4Rungs<P>(
      ({ function: f }) => pass(vec4, f, VEC4),
      ({ batch, n }) => (batch * n * n) / 4,
      { adds: 'four elements per invocation', supports: ({ n }) => n % 4 === 0 },
    ),
  ];
};

export const spectralScaleKernel = defineKernel({
  name: 'spectral-scale',
  computes: 'out[b, k, :] = f(values[b, k]) · vectors[b, k, :]',
  bindings: { values: 'read', vectors: 'read', skip: 'read', out: 'write' },
  params,
  cost: ({ batch, n }) => ({ flops: batch * n * n, bytes: 8 * batch * n * n }),
  variants: rungs('spectral-scale.wgsl', 'spectral-scale.wgsl'),
});

export const loewnerKernel = defineKernel({
  name: 'loewner',
  computes: 'out = L ∘ sym(inner), L_ij = f[λ_i, λ_j]',
  bindings: { values: 'read', inner: 'read', skip: 'read', out: 'write' },
  params,
  cost: ({ batch, n }) => ({ flops: 20 * batch * n * n, bytes: 8 * batch * n * n }),
  variants: rungs('loewner.wgsl', 'loewner-vec4.wgsl'),
});
