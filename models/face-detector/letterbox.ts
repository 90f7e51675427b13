import { ShapeError } from '../../engine/index.ts';
import type { Picture } from './detector.ts';

/** What turns a byte into what the network was trained on: (byte − mean) · scale, for red, green and blue. */
export interface Normalisation {
  readonly mean: readonly [number, number, number];
  readonly scale: number;
}

/**
 * Scales a picture into the top left of a black square of `size` pixels, keeping its proportions, and writes it
 * normalised at `offset` of `out`. Bilinear with the corner convention of TensorFlow's resizeBilinear (alignCorners and
 * halfPixelCenters false), which is what the weights were published with: the source position of pixel i is
 * i · side / size, over the picture padded with black to a square.
 */
export function letterbox(
  picture: Picture,
  size: number,
  normalisation: Normalisation,
  out: Float32Array,
  offset: number,
): void {
  const { width, height, data } = picture;
  if (data.length !== width * height * 3) {
    throw new ShapeError(
      `A picture of ${width}×${height} needs ${width * height * 3} bytes of RGB, ${data.length} found.`,
    );
  }
  const { mean, scale } = normalisation;
  const side = Math.max(width, height);
  const samples = samplePositions(size, side);
  let at = offset;
  for (const down of samples) {
    for (const across of samples) {
      for (const channel of [0, 1, 2] as const) {
        const a = pixel(picture, across.low, down.low, channel);
        const b = across.weight === 0 ? a : pixel(picture, across.high, down.low, channel);
        const upper = a + (b - a) * across.weight;
        let value = upper;
        if (down.weight !== 0) {
          const c = pixel(picture, across.low, down.high, channel);
          const d = across.weight === 0 ? c : pixel(picture, across.high, down.high, channel);
          value += (c + (d - c) * across.weight - upper) * down.weight;
        }
        out[at++] = (value - mean[channel]) * scale;
      }
    }
  }
}

interface Sample {
  readonly low: number;
  readonly high: number;
  readonly weight: number;
}

function samplePositions(size: number, side: number): Sample[] {
  return Array.from({ length: size }, (_, i) => {
    const position = (i * side) / size;
    const low = Math.floor(position);
    return { low, high: Math.min(side - 1, Math.ceil(position)), weight: position - low };
  });
}

/** Black beyond the picture. */
function pixel({ width, height, data }: Picture, x: number, y: number, channel: number): number {
  return x < width && y < height ? (data[(y * width + x) * 3 + channel] as number) : 0;
}
