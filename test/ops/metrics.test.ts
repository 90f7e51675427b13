import { afterAll, beforeAll, expect, it } from 'vitest';
import { argmax, confusionInto, correctCount, type Device, openDevice, tensor, zeros } from '../../engine/node.ts';
import { samples } from '../gradcheck.ts';
import { checkAgainstReference } from './reference-check.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

checkAgainstReference('pointwise', { argmax: { run: ({ x }) => argmax(x) } });

it('counts correct rows and confusions like the host, ignoring rows without a class', async () => {
  const [rows, classes] = [203, 5];
  const logits = samples(rows * classes, 3);
  const labels = Uint32Array.from({ length: rows }, (_, i) => (i % 7 === 0 ? 0xffffffff : (i * 3) % classes));
  const predictions = Array.from({ length: rows }, (_, i) => {
    const row = [...logits.subarray(i * classes, (i + 1) * classes)];
    return row.indexOf(Math.max(...row));
  });
  const x = tensor(logits, [rows, classes]);
  const target = tensor(labels);
  const expected = predictions.filter((p, i) => p === labels[i]).length;
  expect(await correctCount(x, target).item()).toBe(expected);
  const counts = tensor(new Uint32Array(classes * classes), [classes, classes]);
  confusionInto(counts, argmax(x), target);
  confusionInto(counts, argmax(x), target);
  const host = new Uint32Array(classes * classes);
  predictions.forEach((p, i) => {
    if (labels[i] < classes) host[labels[i] * classes + p] += 2;
  });
  expect([...(await counts.data())]).toEqual([...host]);
});

it('names what does not fit', () => {
  const x = zeros([2, 3]);
  expect(() => correctCount(x, tensor(Uint32Array.of(1)))).toThrow(/correctCount: \[2, 3\] and \[1\] do not fit/);
  expect(() => correctCount(x, zeros([2]))).toThrow(/its labels is f32/);
  expect(() => confusionInto(zeros([3, 3]), tensor(Uint32Array.of(1)), tensor(Uint32Array.of(1)))).toThrow(
    /counts is f32/,
  );
});
