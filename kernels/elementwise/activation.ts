import { bySize, covered, coverFor, vec4Rungs } from '../common/elements.ts';
import { type DeviceTraits, defineKernel, type Pass, wgsl } from '../kernel.ts';

/** Activations that products apply in their epilogue, in the order of the WGSL constant ACTIVATION. */
export const ACTIVATIONS = ['none', 'relu', 'leakyRelu', 'tanh', 'sigmoid', 'relu6'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** One pipeline serves the first three, which differ in the slope alone; the others take `activationPass`. */
export const isSlopeOnly = (activation: number): boolean => activation <= 2;

/** f over `size` elements of the buffer `out`, in place. */
export const activationPass = (activation: number, size: number, traits: DeviceTraits): Pass =>
  covered(
    {
      source: wgsl(import.meta.url, 'activation.wgsl'),
      constants: { ACTIVATION: activation },
      params: { size },
    },
    coverFor(traits)(bySize({ size })),
  );

export const activationGradientKernel = defineKernel({
  name: 'activationGradient',
  computes: "out = gradient · f'(x), from y = f(x)",
  bindings: { gradient: 'read', y: 'read', out: 'write' },
  params: { size: 'u32', activation: 'u32', slope: 'f32' },
  inPlace: { out: ['gradient', 'y'] },
  cost: ({ size }) => ({ flops: 2 * size, bytes: 12 * size }),
  variants: vec4Rungs<'size' | 'activation' | 'slope'>(
    ({ activation }) => ({
      source: wgsl(import.meta.url, 'activation-gradient.wgsl'),
      // relu and leakyRelu are one pipeline.
      constants: { ACTIVATION: isSlopeOnly(activation) ? 1 : activation },
    }),
    bySize,
  ),
});
