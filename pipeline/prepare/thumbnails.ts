import sharp from 'sharp';
import type { Picture } from '../../models/face-detector/detector.ts';
import { beside } from './turns.ts';

/** Side of the pictures on the contact sheets, in pixels. */
export const thumbnailSide = 112;

/** Where the small picture of a discarded photograph or frame lies, for the contact sheet. */
export function thumbnailPath(sourceSha256: string, frame: number | undefined): string {
  const suffix = frame === undefined ? '' : `-${String(frame).padStart(6, '0')}`;
  return `report/discarded/${sourceSha256.slice(0, 16)}${suffix}.jpg`;
}

/** A small JPEG of a picture or of an encoded one; without metadata, like everything that is written. */
export function thumbnail(picture: Picture | Buffer): Promise<Buffer> {
  const image = Buffer.isBuffer(picture)
    ? sharp(picture)
    : sharp(picture.data, { raw: { width: picture.width, height: picture.height, channels: 3 } });
  const small = image.resize(thumbnailSide, thumbnailSide, { fit: 'inside' }).jpeg({ quality: 80 });
  return beside(() => small.toBuffer());
}
