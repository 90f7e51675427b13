import type { DeviceTraits } from '../kernel.ts';

/** Sizes of a pooling, x [batch, height, width, channels]. */
export const poolSizes = {
  batch: 'u32',
  height: 'u32',
  width: 'u32',
  channels: 'u32',
  outHeight: 'u32',
  outWidth: 'u32',
  kernelHeight: 'u32',
  kernelWidth: 'u32',
} as const;

type Sizes = Readonly<Record<keyof typeof poolSizes, number>>;

/** Whether the gradient of an activation behind a pooling goes by the result's sign. Where a ReLU cut off, the taps say so. */
export const slopeByResult = ({ slope }: { readonly slope: number }): boolean => slope !== 0 && slope !== 1;

/** How many numbers a pooling reads. */
export const inputs = ({ batch, height, width, channels }: Sizes): number => batch * height * width * channels;

/** How many it makes. */
export const outputs = ({ batch, outHeight, outWidth, channels }: Sizes): number =>
  batch * outHeight * outWidth * channels;

/** Windows side by side that one invocation of the `tiles` rungs handles, and the workgroup's size. */
export interface Tiles {
  readonly chunk: number;
  readonly LANES: number;
}

/**
 * A GPU wants many invocations; a CPU's subgroup takes a whole line, down to the next workgroup's 82 ns (batch norm, ReLU and pooling,
 * 32×100×100×64, against eight windows in workgroups of 64: 8.6 → 8.0 ms, gradient 21.7 → 19.0).
 */
export const tilesFor: Readonly<Record<DeviceTraits['family'], Tiles>> = {
  lanes: { chunk: 64, LANES: 8 },
  tiled: { chunk: 2, LANES: 64 },
};
