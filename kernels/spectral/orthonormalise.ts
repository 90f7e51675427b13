import { defineKernel, type Pass, wgsl } from '../kernel.ts';
import { registersVariant } from './orthonormalise-registers.ts';

const source = (file: string) => wgsl(import.meta.url, file);

const gramSchmidt = (guarded: boolean): Pass => ({
  source: source('orthonormalise-vec4.wgsl'),
  constants: { GUARDED: guarded },
  ...(!guarded && { bind: { dependent: '' } }),
  workgroups: [1],
});

/** W = Q R by R from the Cholesky factor of WᵀW: right-hand sides for all cores, and one short factorisation. */
const choleskyQr = (rows: number, columns: number): readonly Pass[] => [
  { source: source('gram.wgsl'), workgroups: [Math.ceil((columns / 4) ** 2 / 64)] },
  { source: source('cholesky.wgsl'), workgroups: [1] },
  { source: source('solve-rows.wgsl'), workgroups: [Math.ceil(rows / 32)] },
];

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
      passes: () => [{ source: source('orthonormalise.wgsl'), workgroups: [1] }],
    },
    {
      name: 'vec4',
      adds: 'the column in workgroup memory, four columns per invocation (lavapipe, 256 × 128: 2.3 times as fast)',
      supports: ({ rows, columns }) => columns % 4 === 0 && rows <= 512,
      passes: () => [gramSchmidt(false)],
    },
    {
      name: 'cholesky',
      adds: 'Cholesky QR twice (Yamamoto et al. 2015), on all cores; Gram–Schmidt only where the columns are nearly dependent, which weights after a step never are',
      supports: ({ rows, columns }) => columns % 4 === 0 && rows <= 512,
      suits: ({ columns }) => columns >= 32,
      scratch: ({ columns }) => ({ gram: 4 * columns * columns, dependent: 16 }),
      passes: ({ rows, columns }) => [...choleskyQr(rows, columns), ...choleskyQr(rows, columns), gramSchmidt(true)],
    },
    registersVariant,
  ],
});
