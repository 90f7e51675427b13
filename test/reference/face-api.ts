/**
 * Writes what face-api's own detectors find in its sample pictures, for test/models/face-detector.test.ts:
 *
 *     npx tsx test/reference/face-api.ts
 *
 * Minutes, since TensorFlow.js runs on its plain CPU backend; test/models/face-detector.full.test.ts asks it live.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Face } from '../../models/face-detector/detector.ts';
import { faceApiDetector } from '../models/face-api-oracle.ts';
import { shrunkSample } from '../pipeline/prepare/fixtures.ts';

const boxes: Record<string, Record<string, Face[]>> = { tiny: {}, ssd: {} };
for (const [name, numbers] of [
  ['tiny', [1, 2, 3, 4, 5, 6]],
  ['ssd', [1, 4]],
] as const) {
  const detector = await faceApiDetector(name);
  for (const number of numbers) {
    const [faces = []] = await detector.detect([await shrunkSample(number, detector.inputSize)]);
    boxes[name] = { ...boxes[name], [number]: faces };
  }
}
writeFileSync(join(import.meta.dirname, 'models', 'face-api.json'), `${JSON.stringify(boxes, undefined, 2)}\n`);
