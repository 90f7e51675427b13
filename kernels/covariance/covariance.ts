import { covered, oneEach, vec4Rungs } from '../common/elements.ts';
import { VEC4 } from '../common/value.ts';
import { defineKernel, foldWorkgroups, wgsl, workgroupsFor } from '../kernel.ts';
import { treeWalk } from '../reduce/reduce.ts';

export const centrePositionsKernel = defineKernel({
  name: 'centre-positions',
  computes: 'out[b, i, c] = scale · (x[b, i, c] − mean over i)',
  bindings: { x: 'read', out: 'write' },
  params: { batch: 'u32', positions: 'u32', channels: 'u32', scale: 'f32' },
  cost: ({ batch, positions, channels }) => ({
    flops: 4 * batch * positions * channels,
    bytes: 8 * batch * positions * channels,
  }),
  variants: [
    {
      name: 'naive',
      adds: 'one column per invocation',
      passes: ({ batch, channels }) => [
        { source: wgsl(import.meta.url, 'centre-positions.wgsl'), workgroups: workgroupsFor(batch * channels, 64) },
      ],
    },
    {
      name: 'vec4',
      adds: 'four columns per invocation',
      supports: ({ channels }) => channels % 4 === 0,
      passes: ({ batch, channels }) => [
        {
          source: wgsl(import.meta.url, 'centre-positions.wgsl'),
          constants: VEC4,
          params: { channels: channels / 4 },
          workgroups: workgroupsFor((batch * channels) / 4, 64),
        },
      ],
    },
    {
      name: 'team',
      adds: 'GPUs: sixteen invocations to four columns',
      supports: ({ channels }) => channels % 4 === 0,
      suits: (_params, { family }) => family === 'tiled',
      passes: ({ batch, channels }) => [
        {
          source: wgsl(import.meta.url, 'centre-positions-team.wgsl'),
          params: { channels: channels / 4 },
          workgroups: foldWorkgroups(batch * Math.ceil(channels / 64)),
        },
      ],
    },
  ],
});

/** Numbers that a workgroup squares and adds. */
const SQUARES = 4096;

export const squaredNormKernel = defineKernel({
  name: 'squared-norm',
  computes: 'out[b] = Σ x[b, :]²',
  bindings: { x: 'read', out: 'write' },
  params: { batch: 'u32', size: 'u32' },
  cost: ({ batch, size }) => ({ flops: 2 * batch * size, bytes: 4 * batch * size }),
  variants: [
    {
      name: 'naive',
      adds: 'one workgroup per sample',
      passes: ({ batch }) => [
        { source: wgsl(import.meta.url, 'squared-norm.wgsl'), workgroups: foldWorkgroups(batch) },
      ],
    },
    {
      name: 'tree',
      adds: 'GPUs: several workgroups to a sample',
      supports: ({ size }) => size > SQUARES,
      suits: (_params, { family }) => family === 'tiled',
      scratch: ({ batch, size }) => ({ partial: 4 * batch * Math.ceil(size / SQUARES) }),
      passes: ({ batch, size }) => {
        const chunks = Math.ceil(size / SQUARES);
        return [
          treeWalk({ outer: batch, length: size, inner: 1 }, chunks, 1, { MAP: 1 }, { y: 'x', out: 'partial' }),
          treeWalk({ outer: batch, length: chunks, inner: 1 }, 1, 1, {}, { x: 'partial', y: 'partial' }),
        ];
      },
    },
  ],
});

export const addDiagonalKernel = defineKernel({
  name: 'add-diagonal',
  computes: 'out[b, i, i] += scale · amount[b]',
  bindings: { amount: 'read', out: 'update' },
  params: { batch: 'u32', n: 'u32', scale: 'f32' },
  cost: ({ batch, n }) => ({ flops: 2 * batch * n, bytes: 8 * batch * n }),
  variants: [
    {
      name: 'naive',
      adds: 'one diagonal entry per invocation',
      passes: ({ batch, n }) => [
        { source: wgsl(import.meta.url, 'add-diagonal.wgsl'), workgroups: workgroupsFor(batch * n, 64) },
      ],
    },
  ],
});

export const traceKernel = defineKernel({
  name: 'trace',
  computes: 'out[b] = Σ_i matrix[b, i, i]',
  bindings: { matrix: 'read', out: 'write' },
  params: { batch: 'u32', n: 'u32' },
  cost: ({ batch, n }) => ({ flops: batch * n, bytes: 4 * batch * n }),
  variants: [
    {
      name: 'naive',
      adds: 'one matrix per invocation',
      passes: ({ batch }) => [{ source: wgsl(import.meta.url, 'trace.wgsl'), workgroups: workgroupsFor(batch, 8) }],
    },
  ],
});

export const symmetriseKernel = defineKernel({
  name: 'symmetrise',
  computes: 'out[b] = scale · (matrix[b] + matrix[b]ᵀ) + diagonalScale · diagonal[b] · I',
  bindings: { matrix: 'read', diagonal: 'read', out: 'write' },
  params: { batch: 'u32', n: 'u32', scale: 'f32', diagonalScale: 'f32' },
  cost: ({ batch, n }) => ({ flops: 2 * batch * n * n, bytes: 8 * batch * n * n }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ batch, n }) => [covered({ source: wgsl(import.meta.url, 'symmetrise.wgsl') }, oneEach(batch * n * n))],
    },
    ...vec4Rungs<'batch' | 'n' | 'scale' | 'diagonalScale'>(
      () => ({ source: wgsl(import.meta.url, 'symmetrise-vec4.wgsl') }),
      ({ batch, n }) => (batch * n * n) / 4,
      { adds: 'four elements per invocation', supports: ({ n }) => n % 4 === 0 },
    ),
  ],
});

export const addScaledSamplesKernel = defineKernel({
  name: 'add-scaled-samples',
  computes: 'out[b] = scale · (base[b] + factor · amount[b] · x[b])',
  bindings: { base: 'read', amount: 'read', x: 'read', out: 'write' },
  params: { batch: 'u32', size: 'u32', scale: 'f32', factor: 'f32' },
  cost: ({ batch, size }) => ({ flops: 4 * batch * size, bytes: 12 * batch * size }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ batch, size }) => [
        covered({ source: wgsl(import.meta.url, 'add-scaled-samples.wgsl') }, oneEach(batch * size)),
      ],
    },
    ...vec4Rungs<'batch' | 'size' | 'scale' | 'factor'>(
      ({ size }) => ({
        source: wgsl(import.meta.url, 'add-scaled-samples.wgsl'),
        constants: VEC4,
        params: { size: size / 4 },
      }),
      ({ batch, size }) => (batch * size) / 4,
      { adds: 'four elements per invocation', supports: ({ size }) => size % 4 === 0 },
    ),
  ],
});

export const certifyKernel = defineKernel({
  name: 'certify',
  computes: 'out[b] = ε trace[b] ≥ floor and (1 + ε) trace[b] ≤ ceiling, with a margin of 1e-3',
  bindings: { trace: 'read', out: 'write' },
  params: { batch: 'u32', eps: 'f32', floor: 'f32', ceiling: 'f32' },
  cost: ({ batch }) => ({ flops: 4 * batch, bytes: 8 * batch }),
  variants: [
    {
      name: 'naive',
      adds: 'one sample per invocation',
      passes: ({ batch }) => [{ source: wgsl(import.meta.url, 'certify.wgsl'), workgroups: workgroupsFor(batch, 64) }],
    },
  ],
});
