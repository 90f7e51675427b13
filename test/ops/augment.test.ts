import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { augment, type Device, Generator, openDevice, program, standardise, tensor } from '../../engine/node.ts';
import { expectClose } from '../expect-close.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const noise = (n: number, seed: number) => Uint8Array.from(new Generator(seed).words(n), (word) => word >>> 24);

interface Case {
  batch: number;
  source: number;
  size: number;
  flip: boolean;
  rotation: number;
  crop: 'centre' | 'random';
}

/** The same in float64, from the words the generator gives for that draw. */
function truth(images: Uint8Array, c: Case, words: Uint32Array): Float64Array {
  const unit = (word: number) => ((word >>> 8) + 0.5) / 2 ** 24;
  const out = new Float64Array(c.batch * c.size * c.size * 3);
  const reflect = (i: number) => {
    const last = c.source - 1;
    const inside = Math.abs(i);
    return Math.min(last, Math.max(0, inside > last ? 2 * last - inside : inside));
  };
  for (let b = 0; b < c.batch; b += 1) {
    const [flip, turn, left, top] = [0, 1, 2, 3].map((k) => unit(words[4 * b + k]));
    const mirror = c.flip && flip < 0.5 ? -1 : 1;
    const angle = ((2 * turn - 1) * c.rotation * Math.PI) / 180;
    const room = c.source - c.size;
    const corner = [left, top].map((share) => Math.floor(c.crop === 'random' ? share * (room + 1) : room / 2));
    const half = (c.size - 1) / 2;
    for (let y = 0; y < c.size; y += 1) {
      for (let x = 0; x < c.size; x += 1) {
        const [u, v] = [(x - half) * mirror, y - half];
        const px = corner[0] + half + Math.cos(angle) * u - Math.sin(angle) * v;
        const py = corner[1] + half + Math.sin(angle) * u + Math.cos(angle) * v;
        const [x0, y0] = [Math.floor(px), Math.floor(py)];
        for (let k = 0; k < 3; k += 1) {
          const at = (i: number, j: number) =>
            images[((b * c.source + reflect(j)) * c.source + reflect(i)) * 3 + k] / 255;
          const above = at(x0, y0) + (at(x0 + 1, y0) - at(x0, y0)) * (px - x0);
          const below = at(x0, y0 + 1) + (at(x0 + 1, y0 + 1) - at(x0, y0 + 1)) * (px - x0);
          out[((b * c.size + y) * c.size + x) * 3 + k] = above + (below - above) * (py - y0);
        }
      }
    }
  }
  return out;
}

const upload = (images: Uint8Array, batch: number, side: number) => tensor(images, [batch, side, side, 3]);

describe.each(['naive', 'planned'])('augment, %s', (variant) => {
  beforeAll(() => device.tuner.force('augment', variant));
  afterAll(() => device.tuner.force('augment', undefined));

  test.each<Case>([
    { batch: 1, source: 9, size: 9, flip: false, rotation: 0, crop: 'centre' },
    { batch: 3, source: 13, size: 10, flip: false, rotation: 0, crop: 'centre' },
    { batch: 67, source: 11, size: 8, flip: true, rotation: 0, crop: 'random' },
    { batch: 5, source: 21, size: 17, flip: true, rotation: 10, crop: 'random' },
    { batch: 4, source: 16, size: 16, flip: true, rotation: 180, crop: 'random' },
    { batch: 2, source: 7, size: 1, flip: false, rotation: 45, crop: 'random' },
  ])('%j', async (c) => {
    const images = noise(c.batch * c.source * c.source * 3, 5);
    const generator = new Generator(2 ** 40 + 7);
    generator.calls = 3;
    const out = augment(upload(images, c.batch, c.source), { ...c, generator });
    expect(out.shape).toEqual([c.batch, c.size, c.size, 3]);
    const mirror = new Generator(2 ** 40 + 7);
    mirror.calls = 3;
    // Neighbouring noise pixels differ by up to 1, so the position's rounding (about 1e-6 of a pixel) is the tolerance.
    expectClose(await out.floats(), truth(images, c, mirror.words(4 * c.batch)), {
      atol: 2e-5,
      rtol: 0,
      label: 'augment',
    });
    expect(generator.calls).toBe(4);
  });
});

test('mean and deviation per channel', async () => {
  const images = noise(2 * 4 * 4 * 3, 1);
  const out = augment(upload(images, 2, 4), { size: 4, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
  const expected = Float64Array.from(images, (byte, i) => {
    return (byte / 255 - [0.485, 0.456, 0.406][i % 3]) / [0.229, 0.224, 0.225][i % 3];
  });
  expectClose(await out.floats(), expected, { atol: 1e-6, rtol: 1e-6, label: 'normalise' });
});

test('half the pictures are mirrored, and every replay of a program draws anew', async () => {
  const batch = 256;
  const images = Uint8Array.from({ length: batch * 4 * 3 }, (_, i) => (Math.floor(i / 3) % 2 ? 255 : 0));
  const pictures = upload(images, batch, 2);
  const generator = new Generator(1);
  const step = program(() => augment(pictures, { size: 2, flip: true, generator }));
  const seen: string[] = [];
  for (let run = 0; run < 3; run += 1) {
    const values = await (await step.run()).floats();
    const flipped = Array.from({ length: batch }, (_, b) => values[b * 12] === 1);
    expect(Math.abs(flipped.filter(Boolean).length - batch / 2)).toBeLessThan(40);
    seen.push(flipped.join());
  }
  expect(new Set(seen).size).toBe(3);
  expect(generator.calls).toBe(3);
  step.dispose();
});

describe.each(['naive', 'workgroup'])('standardise, %s', (variant) => {
  beforeAll(() => device.tuner.force('standardise', variant));
  afterAll(() => device.tuner.force('standardise', undefined));

  test.each([
    [1, 3],
    [2, 64],
    [5, 27 * 27 * 3],
    [70, 10],
  ])('%i pictures of %i values', async (batch, length) => {
    const x = new Generator(3).uniform(batch * length, 0, 255);
    const expected = new Float64Array(x.length);
    for (let b = 0; b < batch; b += 1) {
      const own = x.subarray(b * length, (b + 1) * length);
      const mean = own.reduce((a, v) => a + v, 0) / length;
      const deviation = Math.sqrt(own.reduce((a, v) => a + (v - mean) ** 2, 0) / length);
      for (let i = 0; i < length; i += 1)
        expected[b * length + i] = (own[i] - mean) / Math.max(deviation, 1 / Math.sqrt(length));
    }
    expectClose(await standardise(tensor(x, [batch, length])).floats(), expected, {
      atol: 5e-6,
      rtol: 1e-6,
      label: 'standardise',
    });
  });

  test('a picture of one colour gives zeros, not NaN', async () => {
    expect(await standardise(tensor(new Float32Array(48).fill(0.25), [1, 4, 4, 3])).floats()).toEqual(
      new Float32Array(48),
    );
  });
});

test('bad input is named', () => {
  expect(() => augment(tensor([1, 2, 3]), { size: 1 })).toThrow(/pictures are f32, not u8/);
  expect(() => augment(upload(new Uint8Array(12), 1, 2), { size: 3 })).toThrow(
    /\[1, 2, 2, 3\] cannot give pictures of 3×3/,
  );
});
