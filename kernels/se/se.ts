import { VEC4 } from '../common/value.ts';
import { type Constants, defineKernel, type Pass, wgsl, workgroupsFor } from '../kernel.ts';

const file = (name: string) => wgsl(import.meta.url, name);

/** The two FC layers between squeeze and scale. */
export const seExciteKernel = defineKernel({
  name: 'seExcite',
  computes: 'gate = sigmoid(relu(squeezed · W1 + b1) · W2 + b2)',
  bindings: {
    squeezed: 'read',
    weight1: 'read',
    bias1: 'read',
    weight2: 'read',
    bias2: 'read',
    hidden: 'write',
    gate: 'write',
  },
  params: { batch: 'u32', channels: 'u32', hiddenChannels: 'u32', hasBias: 'u32' },
  cost: ({ batch, channels, hiddenChannels }) => ({
    flops: 4 * batch * channels * hiddenChannels,
    bytes: 8 * (batch + hiddenChannels) * channels,
  }),
  variants: [
    {
      name: 'naive',
      adds: 'a dispatch per layer, one element per invocation',
      passes: ({ batch, channels, hiddenChannels, hasBias }) => [
        {
          source: file('hidden.wgsl'),
          constants: { BIAS: hasBias === 1 },
          workgroups: workgroupsFor(batch * hiddenChannels, 64),
        },
        {
          source: file('gate.wgsl'),
          constants: { BIAS: hasBias === 1 },
          workgroups: workgroupsFor(batch * channels, 64),
        },
      ],
    },
  ],
});

/** Everything of the backward that is small: [n, c], [n, hidden] and the parameters. */
export const seExciteBackwardKernel = defineKernel({
  name: 'seExciteBackward',
  computes: '∂L/∂gate → ∂L/∂squeezed / positions, ∂L/∂W1, b1, W2, b2',
  bindings: {
    gateGradient: 'read',
    gate: 'read',
    hidden: 'read',
    squeezed: 'read',
    weight1: 'read',
    weight2: 'read',
    squeezedGradient: 'write',
    weight1Gradient: 'write',
    bias1Gradient: 'write',
    weight2Gradient: 'write',
    bias2Gradient: 'write',
  },
  params: { batch: 'u32', positions: 'u32', channels: 'u32', hiddenChannels: 'u32' },
  cost: ({ batch, channels, hiddenChannels }) => ({
    flops: 8 * batch * channels * hiddenChannels,
    bytes: 16 * (batch + hiddenChannels) * channels,
  }),
  variants: [
    {
      name: 'naive',
      adds: 'a dispatch per layer and one for all parameters, one element per invocation',
      scratch: ({ batch, channels, hiddenChannels }) => ({
        hiddenGradient: 4 * batch * hiddenChannels,
        preGradient: 4 * batch * channels,
      }),
      passes: ({ batch, channels, hiddenChannels }) => [
        { source: file('hidden-gradient.wgsl'), workgroups: workgroupsFor(batch * hiddenChannels, 64) },
        { source: file('squeezed-gradient.wgsl'), workgroups: workgroupsFor(batch * channels, 64) },
        { source: file('weight-gradients.wgsl'), workgroups: workgroupsFor(channels * hiddenChannels, 64) },
      ],
    },
  ],
});

export const seGatedKernel = defineKernel({
  name: 'seGated',
  computes: 'out[n, p, c] = x[n, p, c] · gate[n, c] + addend[n, c]',
  bindings: { x: 'read', gate: 'read', addend: 'read', out: 'write' },
  params: { batch: 'u32', positions: 'u32', channels: 'u32', hasAddend: 'u32' },
  cost: ({ batch, positions, channels }) => ({
    flops: batch * positions * channels,
    bytes: 8 * batch * positions * channels,
  }),
  variants: [
    { name: 'naive', adds: 'one element per invocation', passes: (p) => gated(p, 1, 1, {}) },
    {
      name: 'rows',
      adds: 'four channels at several positions per invocation: the gate is loaded once for all',
      supports: ({ channels }) => channels % 4 === 0,
      passes: (p, _tile, { family }) => gated(p, 4, family === 'lanes' ? 16 : 4, VEC4),
    },
  ],
});

function gated(
  p: Readonly<Record<'batch' | 'positions' | 'channels' | 'hasAddend', number>>,
  width: number,
  chunk: number,
  constants: Constants,
): Pass[] {
  const channels = p.channels / width;
  const chunks = Math.ceil(p.positions / chunk);
  return [
    {
      source: file('gated.wgsl'),
      constants: { ADDEND: p.hasAddend === 1, ...constants },
      params: { channels, chunk, chunks },
      workgroups: workgroupsFor(p.batch * chunks * channels, 64),
    },
  ];
}
