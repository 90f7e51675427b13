import { defineKernel, type Pass, wgsl, workgroupsFor } from '../kernel.ts';

/** Activations that products apply in their epilogue, in the order of the WGSL constant ACTIVATION. */
export const ACTIVATIONS = ['none', 'relu', 'leakyRelu', 'tanh', 'sigmoid', 'relu6'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** One pipeline serves the first three, which differ in the slope alone; the others take `activationPass`. */
export const isSlopeOnly = (activation: number): boolean => activation <= 2;

/** f over `size` elements of the buffer `out`, in place. */
export const activationPass = (activation: number, size: number): Pass => ({
  source: wgsl(import.meta.url, 'activation.wgsl'),
  constants: { ACTIVATION: activation },
  params: { size },
  workgroups: workgroupsFor(size, 256),
});

export const activationGradientKernel = defineKernel({
  name: 'activationGradient',
  computes: "out = gradient · f'(x), from y = f(x)",
  bindings: { gradient: 'read', y: 'read', out: 'write' },
  params: { size: 'u32', activation: 'u32', slope: 'f32' },
  inPlace: { out: ['gradient', 'y'] },
  cost: ({ size }) => ({ flops: 2 * size, bytes: 12 * size }),
  variants: [
    {
      name: 'vec4',
      adds: 'one vec4 per invocation',
      passes: ({ size, activation }) => [
        {
          source: wgsl(import.meta.url, 'activation-gradient.wgsl'),
          // relu and leakyRelu are one pipeline.
          constants: { ACTIVATION: isSlopeOnly(activation) ? 1 : activation },
          workgroups: workgroupsFor(size, 256),
        },
      ],
    },
  ],
});
