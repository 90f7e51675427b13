import sharp, { type Sharp, type SharpOptions } from 'sharp';
import type { Box, Picture } from '../../models/face-detector/detector.ts';
import { Discarded } from './reasons.ts';
import type { Still } from './still.ts';
import { attempt } from './turns.ts';

// libvips keeps what it decoded by file name, and would give a file that has changed since as it was.
sharp.cache(false);

/** sharp's own answers to a picture that ends too early. */
const truncated =
  /premature end|truncated|unexpected end|end of (file|stream)|not enough data|read error|lacks? .*data/i;

/**
 * Opens a photograph: any type that sharp reads, turned upright by its EXIF orientation, as sRGB on white. Only what is
 * asked for is decoded, and never the whole picture is held in memory at full resolution.
 * @throws Discarded for what cannot be decoded; the message of the decoder is kept as its detail.
 */
export async function openPhoto(path: string, maxMegapixels: number, kind: 'photo' | 'heic' = 'photo'): Promise<Still> {
  const explain = kind === 'heic' ? explainHeic : explainPhoto;
  const options: SharpOptions = { failOn: 'error', limitInputPixels: Math.round(maxMegapixels * 1e6), page: 0 };
  const { width, height } = await orientedSize(path, maxMegapixels, explain);
  return {
    width,
    height,
    shrunk: (side) =>
      decode(
        sharp(path, options).autoOrient().resize(side, side, { fit: 'inside', withoutEnlargement: true }),
        explain,
      ),
    region: (box) => decode(sharp(path, options).autoOrient().extract(sharpRegion(box)), explain),
  };
}

async function orientedSize(path: string, maxMegapixels: number, explain: Explain) {
  // The header is read without a limit, so that the report can say how large the picture is.
  const { autoOrient } = await attempt(() => sharp(path, { limitInputPixels: false, page: 0 }).metadata()).catch(
    explain,
  );
  const megapixels = (autoOrient.width * autoOrient.height) / 1e6;
  if (megapixels > maxMegapixels) {
    throw new Discarded(
      'too large',
      `${autoOrient.width}×${autoOrient.height} are ${megapixels.toFixed(1)} megapixels, ${maxMegapixels} are allowed`,
    );
  }
  return autoOrient;
}

/** A still from pixels in memory, such as a video frame. */
export function rawStill(picture: Picture): Still {
  const { width, height } = picture;
  const open = () => sharp(picture.data, { raw: { width, height, channels: 3 } });
  return {
    width,
    height,
    shrunk: async (side) =>
      Math.max(width, height) <= side ? picture : decode(open().resize(side, side, { fit: 'inside' })),
    region: (box) => decode(open().extract(sharpRegion(box))),
  };
}

const sharpRegion = ({ x, y, width, height }: Box) => ({ left: x, top: y, width, height });

async function decode(image: Sharp, explain: Explain = explainPhoto): Promise<Picture> {
  const flat = image.flatten({ background: 'white' }).toColourspace('srgb').removeAlpha();
  const raw = flat.raw({ depth: 'uchar' });
  const { data, info } = await attempt(() => raw.clone().toBuffer({ resolveWithObject: true })).catch(explain);
  return { width: info.width, height: info.height, data };
}

/** Turns the decoder's error into a reason. */
type Explain = (error: unknown) => never;

/** Some builds of sharp read HEIC, most cannot, and say so in many ways. */
const explainHeic: Explain = (error) => {
  throw new Discarded('heic picture', firstLine(error));
};

const firstLine = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';

function explainPhoto(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  const detail = message.split('\n')[0]?.replace(/^Input file (\/\S+|\S+) ?/, 'the file ') ?? message;
  if (/exceeds pixel limit/i.test(message)) throw new Discarded('too large', detail);
  if (truncated.test(message)) throw new Discarded('truncated file', detail);
  throw new Discarded('damaged file', detail);
}
