import { defineKernel, wgsl } from '../kernel.ts';
import { registersVariant } from './orthonormalise-registers.ts';

export const orthonormaliseKernel = defineKernel({
  name: 'orthonormalise',
  computes: 'matrix ← Q of matrix = Q R, diagonal of R positive',
  bindings: { matrix: 'update' },
  params: { rows: 'u32', columns: 'u32' },
  cost: ({ rows, columns }) => ({ flops: 4 * rows * columns * columns, bytes: 8 * rows * columns }),
  variants: [
    {
      name: 'naive',
      adds: 'modified Gram–Schmidt twice in one workgroup',
      passes: () => [{ source: wgsl(import.meta.url, 'orthonormalise.wgsl'), workgroups: [1] }],
    },
    {
      name: 'vec4',
      adds: 'the column in workgroup memory, four columns per invocation (lavapipe, 256 × 128: 2.3 times as fast)',
      supports: ({ rows, columns }) => columns % 4 === 0 && rows <= 512,
      passes: () => [{ source: wgsl(import.meta.url, 'orthonormalise-vec4.wgsl'), workgroups: [1] }],
    },
    registersVariant,
  ],
});
