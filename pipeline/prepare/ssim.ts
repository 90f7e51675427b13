import { ssim } from 'ssim.js';
import { DataError } from '../../engine/errors.ts';
import { scope, ssim as ssimOnGpu, tensor } from '../../engine/index.ts';
import type { Picture } from '../../models/face-detector/detector.ts';
import type { InTurn } from './in-turn.ts';

/** Scores of one picture against each of `others`, in their order. */
export type Compare = (picture: Gray, others: readonly Gray[]) => Promise<ArrayLike<number>>;

/** A picture in grey, one byte a pixel: what SSIM looks at, and a third of the memory. */
export interface Gray {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Rec. 601 luma in the integer form that ssim.js uses, so that scores are those of the colour pictures. */
export function toGray({ width, height, data }: Picture): Gray {
  const gray = new Uint8Array(width * height);
  for (let i = 0; i < gray.length; i++) {
    const [r, g, b] = [data[3 * i] as number, data[3 * i + 1] as number, data[3 * i + 2] as number];
    gray[i] = (77 * r + 150 * g + 29 * b + 128) >> 8;
  }
  return { width, height, data: gray };
}

/**
 * Structural similarity (Wang et al. 2004, eq. 13) as the package ssim.js computes it by default: 11×11 windows of
 * equal weight, k1 = 0.01, k2 = 0.03, over the grey picture. 1 for equal pictures. The truth that the kernel is held to.
 */
export function ssimScore(a: Gray, b: Gray): number {
  if (a.width !== b.width || a.height !== b.height) {
    throw new DataError(`SSIM needs pictures of one size: ${a.width}×${a.height} and ${b.width}×${b.height} found.`);
  }
  return ssim(toImageData(a), toImageData(b)).mssim;
}

export const compareOnCpu: Compare = async (picture, others) => others.map((other) => ssimScore(picture, other));

/** How far the kernel may be from ssim.js; nearer to the threshold than this, ssim.js is asked. */
const kernelTolerance = 2e-4;

/**
 * The fast path: all pairs in one run of the kernel. Whether a score is above `threshold` is always what ssim.js says.
 * `gpu` keeps it from running in between somebody else's work on the device.
 */
export function compareOnGpu(threshold: number, gpu: InTurn): Compare {
  return async (picture, others) => {
    if (others.length === 0) return [];
    const { width, height } = picture;
    if (Math.min(width, height) < 11) return compareOnCpu(picture, others);
    const joined = new Uint8Array(others.length * width * height);
    for (const [i, other] of others.entries()) joined.set(other.data, i * width * height);
    const scores = await gpu(async () => {
      const found = scope(() =>
        ssimOnGpu(tensor(picture.data, [height, width]), tensor(joined, [others.length, height, width])),
      );
      const values = await found.floats();
      found.dispose();
      return values;
    });
    return others.map((other, i) => {
      const score = scores[i] ?? 0;
      return Math.abs(score - threshold) < kernelTolerance ? ssimScore(picture, other) : score;
    });
  };
}

/** Grey as RGBA; ssim.js turns it back into exactly the same grey. */
function toImageData({ width, height, data }: Gray): ImageData {
  const rgba = new Uint8ClampedArray(data.length * 4);
  for (let i = 0; i < data.length; i++) rgba.fill(data[i] as number, 4 * i, 4 * i + 3);
  return { width, height, data: rgba, colorSpace: 'srgb' };
}
