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

/** How many numbers a pooling reads. */
export const inputs = ({ batch, height, width, channels }: Sizes): number => batch * height * width * channels;

/** How many it makes. */
export const outputs = ({ batch, outHeight, outWidth, channels }: Sizes): number =>
  batch * outHeight * outWidth * channels;
