import { defineKernel, type Pass, wgsl, workgroupsFor } from '../kernel.ts';

const file = (name: string) => wgsl(import.meta.url, name);

const distances = (classes: number): Pass => ({
  source: file('centre-distances.wgsl'),
  workgroups: workgroupsFor(classes * classes, 64),
});

const pairsOf = (classes: number) => ({ distances: 4 * classes * classes });

const shape = { batch: 'u32', classes: 'u32', width: 'u32' } as const;
const cost = (batch: number, classes: number, width: number) => ({
  flops: 3 * (batch + classes * classes) * width,
  bytes: 4 * (batch + classes) * width,
});

export const distanceLossKernel = defineKernel({
  name: 'distance-loss',
  computes: 'out = weight Σ_i |x_i − c_{y_i}|² + repulsion Σ_{j ≠ k} 1 / (|c_j − c_k| + 1)',
  bindings: { features: 'read', labels: 'read', centres: 'read', out: 'write' },
  params: { ...shape, weight: 'f32', repulsion: 'f32' },
  cost: ({ batch, classes, width }) => cost(batch, classes, width),
  variants: [
    {
      name: 'naive',
      adds: 'distances first, then one workgroup',
      scratch: ({ classes }) => pairsOf(classes),
      passes: ({ classes }) => [distances(classes), { source: file('distance-loss.wgsl'), workgroups: [1] }],
    },
  ],
});

export const distanceLossFeaturesKernel = defineKernel({
  name: 'distance-loss-features',
  computes: 'out = gradient · 2 weight (x_i − c_{y_i})',
  bindings: { features: 'read', labels: 'read', centres: 'read', gradient: 'read', out: 'write' },
  params: { batch: 'u32', width: 'u32', weight: 'f32' },
  cost: ({ batch, width }) => ({ flops: 2 * batch * width, bytes: 12 * batch * width }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ batch, width }) => [
        { source: file('distance-loss-features.wgsl'), workgroups: workgroupsFor(batch * width, 64) },
      ],
    },
  ],
});

export const distanceLossCentresKernel = defineKernel({
  name: 'distance-loss-centres',
  computes: 'out_j = gradient · (2 weight Σ_{y_i = j} (c_j − x_i) + repulsion ∂R/∂c_j)',
  bindings: { features: 'read', labels: 'read', centres: 'read', gradient: 'read', out: 'write' },
  params: { ...shape, weight: 'f32', repulsion: 'f32' },
  cost: ({ batch, classes, width }) => cost(batch, classes, width),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      scratch: ({ classes }) => pairsOf(classes),
      passes: ({ classes, width }) => [
        distances(classes),
        {
          source: file('distance-loss-centres.wgsl'),
          params: { alpha: 0 },
          workgroups: workgroupsFor(classes * width, 64),
        },
      ],
    },
  ],
});

export const centreUpdateKernel = defineKernel({
  name: 'centre-update',
  computes: 'c_j ← c_j − alpha (Σ_{y_i = j} (c_j − x_i) / (1 + n_j) + repulsion ∂R/∂c_j), into out',
  bindings: { features: 'read', labels: 'read', centres: 'read', out: 'write' },
  params: { ...shape, repulsion: 'f32', alpha: 'f32' },
  cost: ({ batch, classes, width }) => cost(batch, classes, width),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      scratch: ({ classes }) => ({ ...pairsOf(classes), gradient: 16 }),
      passes: ({ classes, width }) => [
        distances(classes),
        {
          source: file('distance-loss-centres.wgsl'),
          constants: { UPDATE: true },
          params: { weight: 0 },
          workgroups: workgroupsFor(classes * width, 64),
        },
      ],
    },
  ],
});
