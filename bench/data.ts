import sharp from 'sharp';
import { Generator } from '../engine/index.ts';
import { decodePicture } from '../pipeline/dataset/decode.ts';
import { median } from './measure.ts';

/** Pictures per second from JPEG bytes to the squares that training reads, as the pipeline decodes them: four at a time. */
export async function measureDecoding(side = 256, count = 64): Promise<{ picturesPerSecond: number; side: number }> {
  const noise = Uint8Array.from(new Generator(1).words(side * side * 3), (word) => word & 255);
  // Blurred noise: compresses like a photograph rather than like static.
  const jpeg = await sharp(noise, { raw: { width: side, height: side, channels: 3 } })
    .blur(4)
    .normalise()
    .jpeg()
    .toBuffer();
  const rates: number[] = [];
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next++ < count) await decodePicture(jpeg, 114);
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    rates.push((1000 * count) / (performance.now() - start));
  }
  return { picturesPerSecond: median(rates), side };
}
