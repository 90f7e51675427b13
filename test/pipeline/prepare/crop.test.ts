import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Box, Picture } from '../../../models/face-detector/detector.ts';
import { cropSquare, cutSquare, reflectPad, turnAndCut } from '../../../pipeline/prepare/crop.ts';
import { rawStill } from '../../../pipeline/prepare/photo.ts';
import { rotate, unrotateBox } from '../../../pipeline/prepare/still.ts';

/** Every pixel tells where it is: red its column, green its row. */
function coordinates(width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set([i % width, Math.floor(i / width), 7], 3 * i);
  return { width, height, data };
}

const at = ({ width, data }: Picture, x: number, y: number) => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 2),
];

describe('crop rule', () => {
  it('is a square about the middle of the box, its longer side and the margin on both sides', () => {
    expect(cropSquare({ x: 100, y: 50, width: 40, height: 60 }, 0.25)).toEqual({ x: 75, y: 35, width: 90, height: 90 });
    expect(cropSquare({ x: 0, y: 0, width: 10, height: 10 }, 0)).toEqual({ x: 0, y: 0, width: 10, height: 10 });
    expect(cropSquare({ x: 3.2, y: 1.4, width: 0.1, height: 0.1 }, 0).width).toBe(1);
  });
});

describe('turning', () => {
  const picture = coordinates(5, 3);

  it('turns clockwise', async () => {
    const quarter = rotate(picture, 90);
    expect([quarter.width, quarter.height]).toEqual([3, 5]);
    expect(at(quarter, 2, 0)).toEqual([0, 0]); // the top left goes to the top right
    for (const angle of [0, 90, 180, 270] as const) {
      const { width, height, data } = picture;
      const truth = await sharp(data, { raw: { width, height, channels: 3 } })
        .rotate(angle)
        .raw()
        .toBuffer();
      expect(Buffer.from(rotate(picture, angle).data)).toEqual(truth);
    }
  });

  it('maps a box of the turned picture back to the same pixels', async () => {
    for (const angle of [0, 90, 180, 270] as const) {
      const turned = rotate(picture, angle);
      const box: Box = { x: 1, y: 0, width: 2, height: 3 };
      const back = unrotateBox(box, angle, picture.width, picture.height);
      const cut = rotate(await rawStill(picture).region(back), angle);
      expect(cut).toMatchObject({ width: 2, height: 3 });
      for (const [x, y] of [
        [0, 0],
        [1, 2],
      ] as const)
        expect(at(cut, x, y)).toEqual(at(turned, box.x + x, box.y + y));
    }
  });
});

describe('reflection', () => {
  it('continues the picture about its border pixels, as often as needed', () => {
    const row: Picture = { width: 3, height: 1, data: Uint8Array.from([10, 0, 0, 20, 0, 0, 30, 0, 0]) };
    const padded = reflectPad(row, 5, 0, 12, 1);
    const red = Array.from({ length: 12 }, (_, x) => padded.data[3 * x]);
    expect(red).toEqual([20, 10, 20, 30, 20, 10, 20, 30, 20, 10, 20, 30]);
    const dot: Picture = { width: 1, height: 1, data: Uint8Array.from([1, 2, 3]) };
    expect([...reflectPad(dot, 2, 2, 4, 4).data].filter((_, i) => i % 3 === 0)).toEqual(Array(16).fill(1));
  });

  it('fills a square that reaches beyond the picture, at every turn', async () => {
    const picture = coordinates(20, 12);
    for (const angle of [0, 90, 180, 270] as const) {
      const turned = rotate(picture, angle);
      const square = { x: -3, y: turned.height - 5, width: 9, height: 9 };
      const cut = await cutSquare(rawStill(picture), square, angle);
      expect(cut).toMatchObject({ width: 9, height: 9 });
      expect(at(cut, 3, 0)).toEqual(at(turned, 0, turned.height - 5));
      expect(at(cut, 2, 0)).toEqual(at(turned, 1, turned.height - 5));
      expect(at(cut, 3, 5)).toEqual(at(turned, 0, turned.height - 2));
    }
  });

  it('survives a square that does not touch the picture', async () => {
    const cut = await cutSquare(rawStill(coordinates(8, 8)), { x: 40, y: -30, width: 6, height: 6 }, 0);
    expect(cut).toMatchObject({ width: 6, height: 6 });
  });
});

it('turns by any angle about the middle and cuts the middle', async () => {
  const picture = coordinates(101, 101);
  const same = await turnAndCut(picture, 0.0001, 51);
  expect(same).toMatchObject({ width: 51, height: 51 });
  const half = await turnAndCut(picture, 180, 51);
  const [x = 0, y = 0] = at(half, 0, 0);
  expect(Math.abs(x - 75)).toBeLessThanOrEqual(1);
  expect(Math.abs(y - 75)).toBeLessThanOrEqual(1);
});
