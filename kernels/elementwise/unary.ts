import { bySize, covered, oneEach, vec4Rungs } from '../common/elements.ts';
import { VEC4 } from '../common/value.ts';
import { type Constants, defineKernel, type Pass, type Variant, wgsl } from '../kernel.ts';

/**
 * Functions of one number, in the order of the kernel's OP. `affine`: αx + β; `divide`: x / α; `reciprocal`: α / x;
 * `pow`: x^α; `clamp`: to [α, β]; `leakyRelu`: slope α below 0; `inverseSqrt`: 1 / √(x + α).
 */
export const UNARY_OPS = [
  'affine',
  'divide',
  'reciprocal',
  'abs',
  'square',
  'sqrt',
  'exp',
  'log',
  'pow',
  'clamp',
  'relu',
  'leakyRelu',
  'tanh',
  'sigmoid',
  'inverseSqrt',
] as const;
export type UnaryName = (typeof UNARY_OPS)[number];

const params = { op: 'u32', size: 'u32', alpha: 'f32', beta: 'f32' } as const;
type P = keyof typeof params;

const ladder = (file: string): readonly Variant<P>[] => {
  const pass = (op: number, constants: Constants): Omit<Pass, 'workgroups'> => ({
    source: wgsl(import.meta.url, file),
    constants: { OP: op, ...constants },
  });
  return [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ size, op }) => [covered(pass(op, {}), oneEach(size))],
    },
    ...vec4Rungs<P>(({ op }) => pass(op, VEC4), bySize),
  ];
};

export const unaryKernel = defineKernel({
  name: 'unary',
  computes: 'out = f(x)',
  bindings: { x: 'read', out: 'write' },
  params,
  cost: ({ size }) => ({ flops: size, bytes: 8 * size }),
  variants: ladder('unary.wgsl'),
});

/** `saved` is f's output for sqrt, exp, relu, leakyRelu, tanh and sigmoid, and its input for the others. */
export const unaryBackwardKernel = defineKernel({
  name: 'unaryBackward',
  computes: "out = gradient · f'",
  bindings: { gradient: 'read', saved: 'read', out: 'write' },
  params,
  cost: ({ size }) => ({ flops: 2 * size, bytes: 12 * size }),
  variants: ladder('unary-backward.wgsl'),
});
