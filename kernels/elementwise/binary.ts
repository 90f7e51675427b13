import { bySize, covered, coverFor, oneEach, vec4Rungs } from '../common/elements.ts';
import { VEC4 } from '../common/value.ts';
import { defineKernel, wgsl } from '../kernel.ts';

/** `tieShare`: 1 where a > b, ½ where equal, else 0; `equal`: 1 where a = b, else 0. */
export const BINARY_OPS = ['add', 'sub', 'mul', 'div', 'maximum', 'minimum', 'tieShare', 'equal'] as const;
export type BinaryName = (typeof BINARY_OPS)[number];

/** Four dimensions after merging; `d0` is implied by `size`. Strides are 0 along broadcast dimensions. */
const params = {
  op: 'u32',
  size: 'u32',
  d1: 'u32',
  d2: 'u32',
  d3: 'u32',
  a0: 'u32',
  a1: 'u32',
  a2: 'u32',
  a3: 'u32',
  b0: 'u32',
  b1: 'u32',
  b2: 'u32',
  b3: 'u32',
  /** 1 when a, b and out have one shape. */
  same: 'u32',
} as const;

export const binaryKernel = defineKernel({
  name: 'binary',
  computes: 'out = a ∘ b with broadcasting, ∘ one of BINARY_OPS',
  bindings: { a: 'read', b: 'read', out: 'write' },
  params,
  cost: ({ size }) => ({ flops: size, bytes: 12 * size }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation, indices by division',
      passes: ({ size, op }) => [
        covered(
          { source: wgsl(import.meta.url, 'binary.wgsl'), constants: { OP: op }, params: { values: size } },
          oneEach(size),
        ),
      ],
    },
    {
      name: 'columns',
      adds: 'one vec4 of the last dimension per invocation, a broadcast operand loaded once or as a scalar',
      supports: (p) =>
        p.d3 % 4 === 0 && strides(p, 'a').every((s) => s % 4 === 0) && strides(p, 'b').every((s) => s % 4 === 0),
      passes: (p, _tile, traits) => [
        covered(
          {
            source: wgsl(import.meta.url, 'binary.wgsl'),
            constants: {
              OP: p.op,
              ...VEC4,
              Left: p.a3 === 1 ? 'vec4f' : 'f32',
              Right: p.b3 === 1 ? 'vec4f' : 'f32',
            },
            params: { values: p.size / 4, d3: p.d3 / 4, ...inValues(p, 'a'), ...inValues(p, 'b') },
          },
          coverFor(traits)(p.size / 4),
        ),
      ],
    },
    ...vec4Rungs<keyof typeof params>(
      ({ op }) => ({ source: wgsl(import.meta.url, 'binary-vec4.wgsl'), constants: { OP: op, ...VEC4 } }),
      bySize,
      {
        adds: 'equal shapes: one vec4 per invocation, no index arithmetic (lavapipe: 10.4 GB/s against 4.0)',
        supports: ({ same }) => same === 1,
      },
    ),
  ],
});

type Numbers = Readonly<Record<keyof typeof params, number>>;

/** The strides of an operand that must fall on whole vec4: none when it is broadcast along the last dimension. */
const strides = (p: Numbers, side: 'a' | 'b'): number[] =>
  p[`${side}3`] === 1 ? [p[`${side}0`], p[`${side}1`], p[`${side}2`]] : p[`${side}3`] === 0 ? [] : [Number.NaN];

const inValues = (p: Numbers, side: 'a' | 'b'): Record<string, number> =>
  p[`${side}3`] === 1
    ? Object.fromEntries([0, 1, 2].map((i) => [`${side}${i}`, p[`${side}${i as 0 | 1 | 2}`] / 4]))
    : {};
