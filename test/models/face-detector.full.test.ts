import { afterAll, beforeAll, it } from 'vitest';
import { type Device, openDevice } from '../../engine/node.ts';
import { loadDetector } from '../../pipeline/prepare/detectors.ts';
import { expectClose } from '../expect-close.ts';
import { shrunkSample } from '../pipeline/prepare/fixtures.ts';
import { faceApiDetector } from './face-api-oracle.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

it.each([
  ['tiny', [1, 2, 3, 4, 5, 6]],
  ['ssd', [1, 3]],
] as const)(
  '%s equals face-api, asked live',
  async (name, numbers) => {
    const [ours, theirs] = await Promise.all([
      loadDetector({ detector: name, confidence: 0.5, inputSize: 416 }),
      faceApiDetector(name),
    ]);
    const pictures = await Promise.all(numbers.map((number) => shrunkSample(number, ours.inputSize)));
    const flat = (faces: Awaited<ReturnType<typeof ours.detect>>) =>
      faces.flatMap((list) => [
        list.length,
        ...list.flatMap(({ box: b, confidence }) => [b.x, b.y, b.width, b.height, confidence]),
      ]);
    const [found, expected] = [await ours.detect(pictures), await theirs.detect(pictures)];
    expectClose(flat(found), flat(expected), { atol: 0.05, rtol: 0, label: name });
    ours.dispose();
  },
  900_000,
);
