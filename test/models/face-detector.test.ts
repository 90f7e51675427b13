import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../engine/node.ts';
import { iou, nonMaxSuppression } from '../../models/face-detector/boxes.ts';
import type { Face, FaceDetector, Picture } from '../../models/face-detector/detector.ts';
import { letterbox } from '../../models/face-detector/letterbox.ts';
import { readWeights } from '../../models/face-detector/weights.ts';
import { loadDetector, loadFaceLandmarks } from '../../pipeline/prepare/detectors.ts';
import { expectClose } from '../expect-close.ts';
import { oneFace, samplePath, shrunkSample, toPicture } from '../pipeline/prepare/fixtures.ts';
import { faceApiDetector, faceApiLandmarks } from './face-api-oracle.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const flat = (faces: readonly Face[]) => faces.flatMap(({ box }) => [box.x, box.y, box.width, box.height]);
const confidences = (faces: readonly Face[]) => faces.map(({ confidence }) => confidence);

function expectSameFaces(found: readonly Face[], expected: readonly Face[], label: string, pixels: number): void {
  expect(found.length, label).toBe(expected.length);
  expectClose(flat(found), flat(expected), { atol: pixels, rtol: 0, label: `${label} boxes` });
  expectClose(confidences(found), confidences(expected), { atol: 1e-4, rtol: 0, label: `${label} confidence` });
}

type Recorded = Record<'tiny' | 'ssd', Record<string, Face[]>>;
const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'reference', 'models', 'face-api.json'), 'utf8'),
) as Recorded;

describe('boxes equal face-api’s own', () => {
  it.each(['tiny', 'ssd'] as const)('%s, on face-api’s sample pictures (its answers recorded)', async (name) => {
    const detector = await loadDetector({ detector: name, confidence: 0.5, inputSize: 416 });
    const samples = Object.entries(recorded[name]);
    expect(samples.flatMap(([, faces]) => faces).length).toBeGreaterThan(4);
    const pictures = await Promise.all(samples.map(([number]) => shrunkSample(Number(number), detector.inputSize)));
    const found = await detector.detect(pictures);
    for (const [i, [number, faces]] of samples.entries()) {
      expectSameFaces(found[i] ?? [], faces, `${name}, sample ${number}`, 0.05);
    }
    // A picture's answer does not depend on what else is in the batch.
    const [alone = []] = await detector.detect(pictures.slice(0, 1));
    expectSameFaces(alone, found[0] ?? [], `${name} alone`, 0.01);
    detector.dispose();
  });

  it('ssd, in more pictures at once than one binding of a small adapter holds', async () => {
    const detector = await loadDetector({ detector: 'ssd', confidence: 0.5, inputSize: 512 });
    const [[number, faces]] = Object.entries(recorded.ssd).filter(([, found]) => found.length > 0);
    const picture = await shrunkSample(Number(number), detector.inputSize);
    const black = { width: 8, height: 8, data: new Uint8Array(8 * 8 * 3) };
    const found = await detector.detect([...Array.from({ length: 15 }, () => black), picture]);
    expect(found.slice(0, 15).flat()).toEqual([]);
    expectSameFaces(found[15] ?? [], faces, 'the sixteenth', 0.05);
    detector.dispose();
  });

  it('tiny, with another input size, a low threshold and a picture that must be scaled', async () => {
    const options = { confidence: 0.2, inputSize: 224 };
    const ours = await loadDetector({ detector: 'tiny', ...options });
    const theirs = await faceApiDetector('tiny', options);
    const picture = await toPicture(oneFace()); // 500×600
    const [[found = []], [expected = []]] = await Promise.all([ours.detect([picture]), theirs.detect([picture])]);
    expect(expected.length).toBeGreaterThan(0);
    // face-api rounds the scaled width to whole pixels before it scales back: 187 for 186.67.
    expectSameFaces(found.map(scaleX(186.667 / 187)), expected, 'scaled', 0.05);
    ours.dispose();
  });

  it('68 landmarks', async () => {
    const ours = await loadFaceLandmarks();
    const face = sharp(samplePath(1)).extract({ left: 390, top: 350, width: 240, height: 240 }).resize(112, 112);
    const picture = await toPicture(face);
    const [[points = []], expected] = await Promise.all([ours.find([picture]), faceApiLandmarks(picture)]);
    expectClose(
      points.flatMap(({ x, y }) => [x, y]),
      expected.flat(),
      { atol: 0.01, rtol: 0, label: 'landmarks' },
    );
    ours.dispose();
  });
});

/** Boxes of a portrait picture with x and width scaled by `factor`. */
function scaleX(factor: number): (face: Face) => Face {
  return ({ confidence, box }) => ({ confidence, box: { ...box, x: box.x * factor, width: box.width * factor } });
}

describe('the parts', () => {
  it('overlap and suppression', () => {
    const a = { x: 0, y: 0, width: 10, height: 10 };
    expect(iou(a, a)).toBe(1);
    expect(iou(a, { x: 5, y: 0, width: 10, height: 10 })).toBeCloseTo(1 / 3, 12);
    expect(iou(a, { x: 10, y: 0, width: 5, height: 5 })).toBe(0);
    expect(iou(a, { x: 2, y: 2, width: 0, height: 0 })).toBe(0);
    const faces: Face[] = [
      { confidence: 0.6, box: { x: 1, y: 0, width: 10, height: 10 } },
      { confidence: 0.9, box: a },
      { confidence: 0.7, box: { x: 30, y: 0, width: 10, height: 10 } },
    ];
    expect(confidences(nonMaxSuppression(faces, 0.4))).toEqual([0.9, 0.7]);
    expect(confidences(nonMaxSuppression(faces, 0.95))).toEqual([0.9, 0.7, 0.6]);
    expect(nonMaxSuppression([], 0.4)).toEqual([]);
  });

  it('letterbox: black beyond the picture, normalised, any proportions', () => {
    const picture: Picture = { width: 2, height: 1, data: Uint8Array.from([10, 20, 30, 50, 60, 70]) };
    const out = new Float32Array(4 * 4 * 3 + 1);
    letterbox(picture, 4, { mean: [10, 20, 30], scale: 0.1 }, out, 1);
    const pixel = (x: number, y: number) => [...out.subarray(1 + (y * 4 + x) * 3, 4 + (y * 4 + x) * 3)];
    expectClose(pixel(0, 0), [0, 0, 0]);
    expectClose(pixel(1, 0), [2, 2, 2]);
    expectClose(pixel(2, 0), [4, 4, 4]);
    expectClose(pixel(0, 1), [-0.5, -1, -1.5]);
    expectClose(pixel(3, 3), [-1, -2, -3]);
    expect(() => letterbox({ ...picture, width: 3 }, 4, { mean: [0, 0, 0], scale: 1 }, out, 0)).toThrow(
      '9 bytes of RGB, 6',
    );
  });

  it('a picture of one pixel, of one row and without anything in it give no face', async () => {
    const detector: FaceDetector = await loadDetector({ detector: 'tiny', confidence: 0.5, inputSize: 128 });
    const black = (width: number, height: number): Picture => ({
      width,
      height,
      data: new Uint8Array(width * height * 3),
    });
    expect(await detector.detect([black(1, 1), black(700, 1), black(64, 64)])).toEqual([[], [], []]);
    expect(await detector.detect([])).toEqual([]);
    detector.dispose();
    await expect(loadDetector({ detector: 'tiny', confidence: 0.5, inputSize: 100 })).rejects.toThrow('multiple of 32');
  });
});

describe('weights', () => {
  const home = dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json'));
  const file = (name: string) => readFileSync(join(home, 'model', name));
  const manifest = file('tiny_face_detector_model-weights_manifest.json').toString();
  const binary = file('tiny_face_detector_model.bin');

  it('are value = q · scale + min for bytes and for 16-bit words', () => {
    const entry = (name: string, dtype: string, shape: number[]) => ({
      name,
      shape,
      dtype: 'float32',
      quantization: { dtype, scale: 0.5, min: -3 },
    });
    const json = JSON.stringify([
      { weights: [entry('a', 'uint8', [2]), entry('b', 'uint16', [1]), { name: 'c', shape: [], dtype: 'float32' }] },
    ]);
    const bytes = Buffer.concat([
      Buffer.from([0, 255]),
      Buffer.from([0x01, 0x02]),
      Buffer.from(new Float32Array([1.5]).buffer),
    ]);
    const weights = readWeights(json, bytes, 'test');
    expect([...(weights.get('a')?.values ?? [])]).toEqual([-3, 124.5]);
    expect([...(weights.get('b')?.values ?? [])]).toEqual([0x0201 * 0.5 - 3]);
    expect(weights.get('c')).toEqual({ shape: [], values: Float32Array.of(1.5) });
  });

  it('that are cut off, too long or not what they say are refused by name', () => {
    expect(readWeights(manifest, binary, 'tiny').size).toBe(19);
    expect(() => readWeights(manifest, binary.subarray(0, 1000), 'tiny')).toThrow(/tiny: the file ends within conv\d/);
    expect(() => readWeights(manifest, Buffer.concat([binary, Buffer.alloc(3)]), 'tiny')).toThrow(
      '3 bytes are left over',
    );
    expect(() => readWeights('nonsense', binary, 'tiny')).toThrow('not JSON');
    expect(() => readWeights('{}', binary, 'tiny')).toThrow('not a list');
    expect(() => readWeights('[{"weights":[{"name":"x"}]}]', binary, 'tiny')).toThrow('without a name, shape or dtype');
    expect(() => readWeights('[{"weights":[{"name":"x","shape":[1],"dtype":"string"}]}]', binary, 'tiny')).toThrow(
      'stored as string',
    );
  });
});
