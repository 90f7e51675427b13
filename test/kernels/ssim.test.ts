import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, openDevice, scope, ssim, tensor } from '../../engine/node.ts';
import { ssimKernel } from '../../kernels/ssim/ssim.ts';
import { type Gray, ssimScore } from '../../pipeline/prepare/ssim.ts';
import { expectClose } from '../expect-close.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

/** Smooth pictures with some noise: faces are so, and flat parts are where SSIM is touchiest. */
function picture(seed: number, width: number, height: number, noise: number): Gray {
  let state = seed * 2654435761;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const data = Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    const wave = 128 + 70 * Math.sin((x + seed) / 17) * Math.cos(y / 23);
    return Math.min(255, Math.max(0, wave + noise * (random() - 0.5)));
  });
  return { width, height, data };
}

async function scores(a: Gray, others: readonly Gray[]): Promise<Float32Array> {
  const { width, height } = a;
  const joined = new Uint8Array(others.length * width * height);
  for (const [i, other] of others.entries()) joined.set(other.data, i * width * height);
  return scope(async () => {
    return ssim(tensor(a.data, [height, width]), tensor(joined, [others.length, height, width])).floats();
  });
}

const sizes = [
  [11, 11],
  [12, 11],
  [16, 12],
  [37, 29],
  [64, 48],
  [256, 256],
];

it.each(ssimKernel.variants.map((variant) => variant.name))('%s equals ssim.js to 1e-4', async (variant) => {
  for (const [width, height] of sizes) {
    if (variant === 'rows' && width % 4 !== 0) continue;
    if (variant === 'naive' && width > 64) continue; // a second a pair on a CPU, and nothing new
    const a = picture(1, width, height, 20);
    const others = [
      a,
      picture(1, width, height, 60),
      picture(9, width, height, 20),
      { width, height, data: new Uint8Array(width * height) },
      { width, height, data: a.data.map((v) => 255 - v) },
    ];
    device.tuner.force('ssim', variant);
    const found = await scores(a, others);
    device.tuner.force('ssim', undefined);
    const expected = others.map((other) => ssimScore(a, other));
    expectClose(found, expected, { atol: 1e-4, rtol: 0, label: `${variant} ${width}×${height}` });
    expect(found[0]).toBeCloseTo(1, 6);
  }
});

it('refuses pictures that do not fit', () => {
  const a = tensor(new Uint8Array(11 * 11), [11, 11]);
  expect(() => ssim(a, tensor(new Uint8Array(12 * 12), [1, 12, 12]))).toThrow('ssim: [11, 11] and [1, 12, 12]');
  expect(() => ssim(tensor(new Uint8Array(100), [10, 10]), tensor(new Uint8Array(100), [1, 10, 10]))).toThrow('11×11');
  expect(() => ssim(tensor(new Float32Array(121), [11, 11]), tensor(new Uint8Array(121), [1, 11, 11]))).toThrow('u8');
});
