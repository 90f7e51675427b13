import sharp from 'sharp';
import type { Box, Picture } from '../../models/face-detector/detector.ts';
import { type Rotation, rotate, type Still, unrotateBox } from './still.ts';
import { beside } from './turns.ts';

/**
 * The crop rule. The paper only says that a fixed rule was used; ours: a square around the middle of the face's box
 * whose side is the box's longer side plus `margin` of it on each side, in whole pixels.
 */
export function cropSquare(box: Box, margin: number): Box {
  const side = Math.max(1, Math.round(Math.max(box.width, box.height) * (1 + 2 * margin)));
  const x = Math.round(box.x + box.width / 2 - side / 2);
  const y = Math.round(box.y + box.height / 2 - side / 2);
  return { x, y, width: side, height: side };
}

/**
 * Cuts `square`, given in the pixels of the still turned clockwise by `rotation`, and returns it turned. What reaches
 * beyond the picture is filled by reflection at its border.
 */
export async function cutSquare(still: Still, square: Box, rotation: Rotation): Promise<Picture> {
  const asStored = unrotateBox(square, rotation, still.width, still.height);
  const within = clip(asStored, still.width, still.height);
  const part = await still.region(within);
  const whole = reflectPad(part, within.x - asStored.x, within.y - asStored.y, asStored.width, asStored.height);
  return rotate(whole, rotation);
}

/** The part of a box that lies in the picture; at least the pixel nearest to it. */
function clip(box: Box, width: number, height: number): Box {
  const clamp = (value: number, limit: number) => Math.min(Math.max(value, 0), limit);
  const x = clamp(box.x, width - 1);
  const y = clamp(box.y, height - 1);
  const right = Math.max(x + 1, clamp(box.x + box.width, width));
  const bottom = Math.max(y + 1, clamp(box.y + box.height, height));
  return { x, y, width: right - x, height: bottom - y };
}

/**
 * A picture of `width` × `height` that holds `part` at (left, top), the rest filled by reflection about the border
 * pixels, which are not repeated (PyTorch's 'reflect'), as often as needed.
 */
export function reflectPad(part: Picture, left: number, top: number, width: number, height: number): Picture {
  if (left === 0 && top === 0 && width === part.width && height === part.height) return part;
  const columns = Int32Array.from({ length: width }, (_, x) => mirror(x - left, part.width) * 3);
  const data = new Uint8Array(width * height * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    const row = mirror(y - top, part.height) * part.width * 3;
    for (const column of columns) {
      data[at++] = part.data[row + column] as number;
      data[at++] = part.data[row + column + 1] as number;
      data[at++] = part.data[row + column + 2] as number;
    }
  }
  return { width, height, data };
}

/** Index i of a row of `length` pixels continued by reflection in both directions: … 2 1 | 0 1 2 | 1 0 1 … */
function mirror(i: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const within = ((i % period) + period) % period;
  return within < length ? within : period - within;
}

/** Turns the picture clockwise by `degrees` about its middle and cuts the middle square of `side` pixels. */
export async function turnAndCut(picture: Picture, degrees: number, side: number): Promise<Picture> {
  const { width, height } = picture;
  const rotated = sharp(picture.data, { raw: { width, height, channels: 3 } }).rotate(degrees, { background: 'black' });
  const turned = await beside(() => rotated.raw().toBuffer({ resolveWithObject: true }));
  const left = Math.round((turned.info.width - side) / 2);
  const top = Math.round((turned.info.height - side) / 2);
  const { width: w, height: h } = turned.info;
  const whole = sharp(turned.data, { raw: { width: w, height: h, channels: 3 } });
  const cut = whole.extract({ left, top, width: side, height: side });
  return { width: side, height: side, data: await beside(() => cut.raw().toBuffer()) };
}

/** The finished face: `size` × `size` pixels. */
export async function resizeTo(picture: Picture, size: number): Promise<Picture> {
  const { width, height } = picture;
  if (width === size && height === size) return picture;
  const whole = sharp(picture.data, { raw: { width, height, channels: 3 } });
  const resized = whole.resize(size, size, { fit: 'fill', kernel: 'lanczos3' });
  const data = await beside(() => resized.raw().toBuffer());
  return { width: size, height: size, data };
}

/** Encodes without any metadata: no place, no camera, no name, no colour profile. */
export function encodePng({ data, width, height }: Picture): Promise<Buffer> {
  const image = sharp(data, { raw: { width, height, channels: 3 } });
  return beside(() => image.png({ compressionLevel: 6 }).toBuffer());
}
