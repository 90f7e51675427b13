import type { Box, Picture } from '../../models/face-detector/detector.ts';

/** One picture that faces can be cut from, a photograph or a video frame, upright by its own metadata. */
export interface Still {
  readonly width: number;
  readonly height: number;
  /** The whole picture, shrunk so that its longer side is at most `side` pixels; never enlarged. */
  shrunk(side: number): Promise<Picture>;
  /** A part of the picture in full resolution. `box` has whole numbers and lies within the picture. */
  region(box: Box): Promise<Picture>;
}

export type Rotation = 0 | 90 | 180 | 270;

/** The picture turned clockwise. */
export function rotate(picture: Picture, rotation: Rotation): Picture {
  if (rotation === 0) return picture;
  const { width, height, data } = picture;
  const [w, h] = rotation === 180 ? [width, height] : [height, width];
  const out = new Uint8Array(data.length);
  let at = 0;
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      // Where the pixel that ends up at (x, y) comes from.
      const sx = rotation === 90 ? y : rotation === 180 ? width - 1 - x : width - 1 - y;
      const sy = rotation === 90 ? height - 1 - x : rotation === 180 ? height - 1 - y : x;
      const from = (sy * width + sx) * 3;
      out[at++] = data[from] as number;
      out[at++] = data[from + 1] as number;
      out[at++] = data[from + 2] as number;
    }
  }
  return { width: w, height: h, data: out };
}

/**
 * A box of the picture turned clockwise by `rotation`, in the pixels of the picture as it was; `width` and `height` are
 * those of the picture as it was.
 */
export function unrotateBox(box: Box, rotation: Rotation, width: number, height: number): Box {
  if (rotation === 90) return { x: box.y, y: height - box.x - box.width, width: box.height, height: box.width };
  if (rotation === 180) return { ...box, x: width - box.x - box.width, y: height - box.y - box.height };
  if (rotation === 270) return { x: width - box.y - box.height, y: box.x, width: box.height, height: box.width };
  return box;
}
