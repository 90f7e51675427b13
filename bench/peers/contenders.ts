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
  'conv 512@28 forward',
  'conv 512@28 forward + input gradient',
  'conv 512@28 forward + weight gradient',
  'VGG16 to pool4, one 224×224 picture',
  'so-dlse inference, 8 pictures of 100×100',
  'eigh 32 × 64×64',
  'log-eig 32 × 64×64 forward + backward',
  'small CNN step',
] as const;

/** Work that fills a GPU; software adapters leave it out. */
export const gpuComparisons = [
  'log-eig 128 × 64×64 forward + backward',
  'log-eig 128 × 128×128 forward + backward',
] as const;

/** One of `comparisons`. Gradients include the forward pass for all: the peers' APIs have no other way. */
export type Comparison = string;

/** [channels, side] of the convolutions above; batch 8, 3×3, padding 1. */
export const convolutions = [
  [64, 56],
  [128, 28],
  [256, 28],
] as const;

/** One more for those that are fast enough. */
export const largeConvolution = [512, 28] as const;

/** Channels of VGG16's convolutions up to pool4; a pool follows where the number is 0. */
export const vgg16Channels = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0] as const;

/** A comparison that has been set up. */
export interface Ready {
  readonly run: Contender['run'];
  /** Gives back what it holds. */
  readonly release?: () => void | Promise<void>;
}

export interface Peer {
  /** With its version. */
  readonly name: string;
  /** What sets a comparison up. */
  readonly contenders: ReadonlyMap<Comparison, () => Promise<Ready>>;
}

/** Comparisons that are ready by themselves. */
export const ready = (runs: ReadonlyMap<Comparison, Contender['run']>): Peer['contenders'] =>
  new Map([...runs].map(([name, run]) => [name, async () => ({ run })]));

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
