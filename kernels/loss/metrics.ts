import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';

export const argmaxKernel = defineKernel({
  name: 'argmax',
  computes: 'out[row] = index of the first largest value of the row',
  bindings: { x: 'read', out: 'write' },
  params: { rows: 'u32', length: 'u32' },
  cost: ({ rows, length }) => ({ flops: rows * length, bytes: 4 * rows * (length + 1) }),
  variants: [
    {
      name: 'naive',
      adds: 'one row per invocation',
      passes: ({ rows }) => [{ source: wgsl(import.meta.url, 'argmax.wgsl'), workgroups: workgroupsFor(rows, 64) }],
    },
  ],
});

export const correctKernel = defineKernel({
  name: 'correct',
  computes: 'out = number of rows whose largest value is at their label',
  bindings: { x: 'read', labels: 'read', out: 'write' },
  params: { rows: 'u32', length: 'u32' },
  cost: ({ rows, length }) => ({ flops: rows * length, bytes: 4 * rows * (length + 1) }),
  variants: [
    {
      name: 'naive',
      adds: 'one workgroup over all rows',
      passes: () => [{ source: wgsl(import.meta.url, 'correct.wgsl'), workgroups: [1] }],
    },
  ],
});

export const confusionKernel = defineKernel({
  name: 'confusion',
  computes: 'counts[label, predicted] += rows of that pair',
  bindings: { predicted: 'read', labels: 'read', counts: 'update' },
  params: { rows: 'u32', classes: 'u32' },
  cost: ({ rows, classes }) => ({ flops: rows * classes * classes, bytes: 8 * (rows + classes * classes) }),
  variants: [
    {
      name: 'naive',
      adds: 'one cell per invocation',
      passes: ({ classes }) => [
        { source: wgsl(import.meta.url, 'confusion.wgsl'), workgroups: workgroupsFor(classes * classes, 64) },
      ],
    },
  ],
});
