import { VEC4 } from '../common/value.ts';
import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';

const params = {
  batch: 'u32',
  h: 'u32',
  w: 'u32',
  channels: 'u32',
  oh: 'u32',
  ow: 'u32',
  top: 'u32',
  left: 'u32',
  reflect: 'u32',
} as const;
type Params = Readonly<Record<keyof typeof params, number>>;

/** Scalar and vec4 rungs over `count` elements. */
const rungs = (file: string, count: (p: Params) => number) => [
  {
    name: 'naive',
    adds: 'one element per invocation',
    passes: (p: Params) => [
      {
        source: wgsl(import.meta.url, file),
        constants: { REFLECT: p.reflect === 1 },
        workgroups: workgroupsFor(count(p), 64),
      },
    ],
  },
  {
    name: 'vec4',
    adds: 'four channels per invocation',
    supports: ({ channels }: Params) => channels % 4 === 0,
    passes: (p: Params) => [
      {
        source: wgsl(import.meta.url, file),
        constants: { REFLECT: p.reflect === 1, ...VEC4 },
        workgroups: workgroupsFor(count(p) / 4, 64),
      },
    ],
  },
];

const inside = (p: Params): number => p.batch * p.h * p.w * p.channels;
const framed = (p: Params): number => p.batch * p.oh * p.ow * p.channels;
const cost = (p: Params) => ({ flops: 0, bytes: 4 * (inside(p) + framed(p)) });

export const padKernel = defineKernel({
  name: 'pad2d',
  computes: 'y = x inside a frame of reflected pixels or zeros',
  bindings: { x: 'read', y: 'write' },
  params,
  cost,
  variants: rungs('pad.wgsl', framed),
});

export const padGradientKernel = defineKernel({
  name: 'pad2dGradient',
  computes: 'dx = Σ dy over the positions that show each pixel',
  bindings: { gradient: 'read', dx: 'write' },
  params,
  cost,
  variants: rungs('pad-gradient.wgsl', inside),
});
