import { defineKernel, type Pass, wgsl, workgroupsFor } from '../kernel.ts';

const params = {
  batch: 'u32',
  source: 'u32',
  size: 'u32',
  flip: 'u32',
  rotation: 'f32',
  randomCrop: 'u32',
  call: 'u32',
  key0: 'u32',
  key1: 'u32',
  mean0: 'f32',
  mean1: 'f32',
  mean2: 'f32',
  scale0: 'f32',
  scale1: 'f32',
  scale2: 'f32',
} as const;

const sample = ({ batch, size }: { batch: number; size: number }, planned: boolean): Pass => ({
  source: wgsl(import.meta.url, 'augment.wgsl'),
  constants: { PLANNED: planned },
  workgroups: workgroupsFor(batch * size * size, 64),
});

/** Bytes of one Transform. */
const TRANSFORM = 32;

export const augmentKernel = defineKernel({
  name: 'augment',
  computes: 'out = (images / 255 flipped, turned by up to ±rotation and cropped at random − mean) · scale',
  bindings: { images: 'read', transforms: 'read', out: 'write' },
  params,
  cost: ({ batch, source, size }) => ({
    flops: 40 * batch * size * size,
    bytes: batch * (3 * source * source + 12 * size * size),
  }),
  variants: [
    { name: 'naive', adds: 'every pixel draws the transform of its picture', passes: (p) => [sample(p, false)] },
    {
      name: 'planned',
      adds: 'the transforms are drawn once a picture, in a first pass: ten rounds of Philox less per pixel',
      scratch: ({ batch }) => ({ plan: TRANSFORM * batch }),
      passes: (p) => [
        {
          source: wgsl(import.meta.url, 'plan.wgsl'),
          bind: { transforms: 'plan' },
          workgroups: workgroupsFor(p.batch, 64),
        },
        { ...sample(p, true), bind: { transforms: 'plan' } },
      ],
    },
  ],
});

export const standardiseKernel = defineKernel({
  name: 'standardise',
  computes: 'out[b, i] = (x[b, i] − mean of x[b]) / max(standard deviation of x[b], 1 / √length)',
  bindings: { x: 'read', out: 'write' },
  params: { batch: 'u32', length: 'u32' },
  cost: ({ batch, length }) => ({ flops: 6 * batch * length, bytes: 8 * batch * length }),
  variants: [
    {
      name: 'naive',
      adds: 'one picture per invocation, compensated sums',
      passes: ({ batch }) => [
        { source: wgsl(import.meta.url, 'standardise-naive.wgsl'), workgroups: workgroupsFor(batch, 64) },
      ],
    },
    {
      name: 'workgroup',
      adds: 'one picture per workgroup: as many busy lanes as the machine has',
      passes: ({ batch }) => [
        { source: wgsl(import.meta.url, 'standardise.wgsl'), workgroups: workgroupsFor(batch, 1) },
      ],
    },
  ],
});
