import type { Contender } from '../measure.ts';

/** The work that engines are compared on; a peer leaves out what it cannot do. */
export const comparisons = [
  'matmul 1024³',
  'conv 64@56 forward',
  'conv 64@56 forward + input gradient',
  'conv 64@56 forward + weight gradient',
  'conv 128@28 forward',
  'conv 128@28 forward + input gradient',
  'conv 128@28 forward + weight gradient',
  'conv 256@28 forward',
  'conv 256@28 forward + input gradient',
  'conv 256@28 forward + weight gradient',
  'VGG16 to pool4, one 224×224 picture',
  'small CNN step',
  'eigh 32 × 64×64 (ours: log-eig forward + backward)',
] as const;

/** One of `comparisons`. Gradients include the forward pass for all: the peers' APIs have no other way. */
export type Comparison = string;

/** [channels, side] of the convolutions above; batch 8, 3×3, padding 1. */
export const convolutions = [
  [64, 56],
  [128, 28],
  [256, 28],
] as const;

/** Channels of VGG16's convolutions up to pool4; a pool follows where the number is 0. */
export const vgg16Channels = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0] as const;

export interface Peer {
  /** With its version. */
  readonly name: string;
  readonly contenders: ReadonlyMap<Comparison, Contender['run']>;
}

/** Operations of each comparison, for GFLOP/s; 0 where the count means little. */
export function flopsOf(comparison: Comparison): number {
  if (comparison.startsWith('matmul')) return 2 * 1024 ** 3;
  if (comparison.startsWith('VGG16')) return 27.9e9;
  const match = /^conv (\d+)@(\d+)/.exec(comparison);
  if (!match) return 0;
  const [channels, side] = [Number(match[1]), Number(match[2])];
  const passes = comparison.includes('+') ? 2 : 1;
  return passes * 2 * 8 * channels * channels * 9 * side * side;
}
