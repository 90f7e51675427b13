import { VEC4 } from '../common/value.ts';
import { type DeviceTraits, defineKernel, foldWorkgroups, type Pass, wgsl, workgroupsFor } from '../kernel.ts';

const file = (name: string) => wgsl(import.meta.url, name);

/** Rungs with a workgroup per row: shorter rows leave it idle, and CPUs have enough to do with a row per invocation. */
const forTeams = (length: number, { family }: DeviceTraits): boolean => family === 'tiled' && length >= 128;

const rowParams = { rows: 'u32', length: 'u32', logarithm: 'u32' } as const;

export const softmaxKernel = defineKernel({
  name: 'softmax',
  computes: 'out = e^x / Σ e^x, or its logarithm, per row',
  bindings: { x: 'read', out: 'write' },
  params: rowParams,
  cost: ({ rows, length }) => ({ flops: 3 * rows * length, bytes: 8 * rows * length }),
  variants: [
    {
      name: 'naive',
      adds: 'one row per invocation',
      passes: ({ rows, logarithm }) => [
        {
          source: file('softmax.wgsl'),
          constants: { LOGARITHM: logarithm === 1 },
          workgroups: workgroupsFor(rows, 64),
        },
      ],
    },
    {
      name: 'vec4',
      adds: 'one row per invocation, four elements at a time',
      supports: ({ length }) => length % 4 === 0,
      passes: ({ rows, logarithm }) => [
        {
          source: file('softmax.wgsl'),
          constants: { LOGARITHM: logarithm === 1, ...VEC4 },
          workgroups: workgroupsFor(rows, 64),
        },
      ],
    },
    {
      name: 'team',
      adds: 'one row per workgroup, for GPUs',
      family: 'tiled',
      suits: ({ length }, traits) => forTeams(length, traits),
      passes: ({ rows, logarithm }) => [
        {
          source: file('softmax-team.wgsl'),
          constants: { LOGARITHM: logarithm === 1 },
          workgroups: foldWorkgroups(rows),
        },
      ],
    },
  ],
});

export const softmaxBackwardKernel = defineKernel({
  name: 'softmaxBackward',
  computes: 'out = y · (g − Σ g y), or g − e^y · Σ g',
  bindings: { gradient: 'read', y: 'read', out: 'write' },
  params: rowParams,
  cost: ({ rows, length }) => ({ flops: 4 * rows * length, bytes: 12 * rows * length }),
  variants: [
    {
      name: 'naive',
      adds: 'one row per invocation',
      passes: ({ rows, logarithm }) => [
        {
          source: file('softmax-backward.wgsl'),
          constants: { LOGARITHM: logarithm === 1 },
          workgroups: workgroupsFor(rows, 64),
        },
      ],
    },
    {
      name: 'vec4',
      adds: 'one row per invocation, four elements at a time',
      supports: ({ length }) => length % 4 === 0,
      passes: ({ rows, logarithm }) => [
        {
          source: file('softmax-backward.wgsl'),
          constants: { LOGARITHM: logarithm === 1, ...VEC4 },
          workgroups: workgroupsFor(rows, 64),
        },
      ],
    },
    {
      name: 'team',
      adds: 'one row per workgroup, for GPUs',
      family: 'tiled',
      suits: ({ length }, traits) => forTeams(length, traits),
      passes: ({ rows, logarithm }) => [
        {
          source: file('softmax-backward-team.wgsl'),
          constants: { LOGARITHM: logarithm === 1 },
          workgroups: foldWorkgroups(rows),
        },
      ],
    },
  ],
});

const crossEntropyTotal = (mean: number): Pass => ({
  source: file('cross-entropy-total.wgsl'),
  constants: { MEAN: mean === 1 },
  workgroups: [1],
});

export const crossEntropyKernel = defineKernel({
  name: 'crossEntropy',
  computes: 'out = Σ or mean over rows of −Σ t log softmax(logits)',
  bindings: { logits: 'read', labels: 'read', targets: 'read', logSum: 'write', scale: 'write', out: 'write' },
  params: { rows: 'u32', classes: 'u32', ignored: 'u32', soft: 'u32', mean: 'u32' },
  cost: ({ rows, classes }) => ({ flops: 3 * rows * classes, bytes: 4 * rows * classes }),
  variants: [
    {
      name: 'rows',
      adds: 'one row per invocation, then one workgroup over the rows',
      scratch: ({ rows }) => ({ losses: 4 * rows, weights: 4 * rows }),
      passes: ({ rows, soft, mean }): Pass[] => [
        {
          source: file('cross-entropy-rows.wgsl'),
          constants: { SOFT: soft === 1 },
          workgroups: workgroupsFor(rows, 64),
        },
        crossEntropyTotal(mean),
      ],
    },
    {
      name: 'vec4',
      adds: 'rows, four elements at a time',
      supports: ({ classes }) => classes % 4 === 0,
      scratch: ({ rows }) => ({ losses: 4 * rows, weights: 4 * rows }),
      passes: ({ rows, soft, mean }): Pass[] => [
        {
          source: file('cross-entropy-rows.wgsl'),
          constants: { SOFT: soft === 1, ...VEC4 },
          workgroups: workgroupsFor(rows, 64),
        },
        crossEntropyTotal(mean),
      ],
    },
    {
      name: 'team',
      adds: 'one row per workgroup, for GPUs',
      family: 'tiled',
      suits: ({ classes }, traits) => forTeams(classes, traits),
      scratch: ({ rows }) => ({ losses: 4 * rows, weights: 4 * rows }),
      passes: ({ rows, soft, mean }): Pass[] => [
        {
          source: file('cross-entropy-rows-team.wgsl'),
          constants: { SOFT: soft === 1 },
          workgroups: foldWorkgroups(rows),
        },
        crossEntropyTotal(mean),
      ],
    },
  ],
});

export const crossEntropyBackwardKernel = defineKernel({
  name: 'crossEntropyBackward',
  computes: 'out = gradient · scale · (softmax(logits) · Σ t − t)',
  bindings: {
    gradient: 'read',
    logits: 'read',
    labels: 'read',
    targets: 'read',
    logSum: 'read',
    scale: 'read',
    out: 'write',
  },
  params: { rows: 'u32', classes: 'u32', ignored: 'u32', soft: 'u32' },
  cost: ({ rows, classes }) => ({ flops: 3 * rows * classes, bytes: 8 * rows * classes }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ rows, classes, soft }) => [
        {
          source: file('cross-entropy-backward.wgsl'),
          constants: { SOFT: soft === 1 },
          workgroups: workgroupsFor(rows * classes, 64),
        },
      ],
    },
    {
      name: 'vec4',
      adds: 'four elements of a row per invocation',
      supports: ({ classes }) => classes % 4 === 0,
      passes: ({ rows, classes, soft }) => [
        {
          source: file('cross-entropy-backward-vec4.wgsl'),
          constants: { SOFT: soft === 1, ...VEC4 },
          workgroups: workgroupsFor((rows * classes) / 4, 64),
        },
      ],
    },
  ],
});
