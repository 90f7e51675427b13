import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  backward,
  conv2d,
  type Device,
  matmul,
  openDevice,
  program,
  sizeOf,
  type Tensor,
  tensor,
} from '../../engine/node.ts';
import { viaFor } from '../../kernels/common/vec4-input.ts';
import type { DeviceTraits } from '../../kernels/kernel.ts';
import { samples } from '../gradcheck.ts';

interface Geometry {
  readonly batch: number;
  readonly h: number;
  readonly w: number;
  readonly cin: number;
  readonly cout: number;
  readonly window: number;
  readonly stride: number;
  readonly padding: number;
  readonly groups?: number;
}

/** With textures where the adapter has them, and without. */
const devices: Device[] = [];

beforeAll(async () => {
  for (const asked of ['1', '0']) {
    const before = process.env.TEXTURES;
    process.env.TEXTURES = asked;
    devices.push(await openDevice());
    if (before === undefined) delete process.env.TEXTURES;
    else process.env.TEXTURES = before;
  }
});
afterAll(() => Promise.all(devices.map((device) => device.close())));

/** The results of `step` on both devices, and how many of its kernels' inputs each read from textures. */
async function both(force: Record<string, string>, step: (device: Device) => () => Tensor[]) {
  const found: { values: Float32Array[]; textures: number }[] = [];
  for (const device of devices) {
    for (const [kernel, variant] of Object.entries(force)) device.tuner.force(kernel, variant);
    const bound: number[] = [];
    const { submit } = device;
    device.submit = (list) => {
      bound.push(...list.map((one) => one.copies?.length ?? 0));
      submit.call(device, list);
    };
    const run = program(step(device), { device });
    const values = await Promise.all((await run.run()).map((t) => t.floats()));
    run.dispose();
    device.submit = submit;
    for (const kernel of Object.keys(force)) device.tuner.force(kernel, undefined);
    found.push({ values, textures: bound.reduce((a, b) => a + b, 0) });
  }
  return found;
}

const expectSame = ([on, off]: Awaited<ReturnType<typeof both>>): void => {
  expect(off.textures).toBe(0);
  if (devices[0].traits.textures) expect(on.textures).toBeGreaterThan(0);
  for (const [i, values] of on.values.entries()) expect(values, `result ${i}`).toEqual(off.values[i]);
};

describe('textures change no bit of', () => {
  it.each([
    ['lanes', 130, 520, 260],
    ['lanes', 70, 999, 301],
    ['packed', 520, 516, 132],
    ['packed', 515, 600, 130],
  ])('matmul/%s, %i × %i, %i deep, and of its gradients', async (variant, m, n, k) => {
    const [a, b, dy] = [samples(m * k, 1), samples(k * n, 2), samples(m * n, 3)];
    expectSame(
      await both({ matmul: variant }, (device) => {
        const left = tensor(a, [m, k], { device, requiresGrad: true });
        const right = tensor(b, [k, n], { device, requiresGrad: true });
        const gradient = tensor(dy, [m, n], { device });
        return () => {
          const y = matmul(left, right);
          backward(y, gradient);
          return [y, (left.grad as Tensor).alias(), (right.grad as Tensor).alias()];
        };
      }),
    );
  });

  it.each<[string, Geometry]>([
    ['narrow', { batch: 1, h: 60, w: 61, cin: 32, cout: 3, window: 7, stride: 1, padding: 3 }],
    ['narrow', { batch: 1, h: 60, w: 61, cin: 32, cout: 6, window: 7, stride: 1, padding: 3 }],
    ['narrow', { batch: 2, h: 60, w: 61, cin: 3, cout: 20, window: 5, stride: 2, padding: 2 }],
    // Three channels: padded to a vec4 in a texture, one by one from a buffer.
    ['narrow', { batch: 2, h: 60, w: 61, cin: 3, cout: 16, window: 5, stride: 1, padding: 2 }],
    ['lanes', { batch: 2, h: 20, w: 22, cin: 64, cout: 68, window: 3, stride: 1, padding: 1 }],
    ['lanes', { batch: 1, h: 41, w: 40, cin: 32, cout: 100, window: 4, stride: 2, padding: 1 }],
    // 144 rows of a weight gradient: tiles of 48 from textures and of 32 from buffers; lines of pairs and of fours.
    ['lanes', { batch: 9, h: 30, w: 30, cin: 16, cout: 36, window: 3, stride: 1, padding: 1 }],
    ['lanes', { batch: 8, h: 33, w: 34, cin: 16, cout: 36, window: 3, stride: 1, padding: 0 }],
    ['lanes', { batch: 1, h: 30, w: 31, cin: 30, cout: 70, window: 5, stride: 1, padding: 2 }],
    [
      'depthwise-strips',
      { batch: 2, h: 30, w: 61, cin: 132, cout: 132, window: 3, stride: 1, padding: 1, groups: 132 },
    ],
    ['winograd', { batch: 2, h: 28, w: 28, cin: 64, cout: 96, window: 3, stride: 1, padding: 1 }],
    ['winograd', { batch: 9, h: 56, w: 56, cin: 36, cout: 68, window: 3, stride: 1, padding: 0 }],
    ['winograd', { batch: 1, h: 13, w: 90, cin: 260, cout: 260, window: 3, stride: 1, padding: 1 }],
  ])('conv2d/%s, %o, and of its gradients', async (variant, { groups = 1, ...c }) => {
    const [oh, ow] = [c.h, c.w].map((n) => Math.floor((n + 2 * c.padding - c.window) / c.stride) + 1);
    const x = samples(c.batch * c.h * c.w * c.cin, 1);
    const kernel = [c.window, c.window, c.cin / groups, c.cout];
    const w = samples(sizeOf(kernel), 2);
    const dy = samples(c.batch * oh * ow * c.cout, 3);
    const weightGradient = variant !== 'narrow' ? variant : c.cout < 4 ? 'few-outputs' : 'lanes';
    const force = { conv2d: variant, conv2dInputGradient: variant, conv2dWeightGradient: weightGradient };
    expectSame(
      await both(force, (device) => {
        const input = tensor(x, [c.batch, c.h, c.w, c.cin], { device, requiresGrad: true });
        const weight = tensor(w, kernel, { device, requiresGrad: true });
        const gradient = tensor(dy, [c.batch, oh, ow, c.cout], { device });
        return () => {
          const y = conv2d(input, weight, undefined, { padding: c.padding, stride: c.stride, groups });
          backward(y, gradient);
          return [y, (input.grad as Tensor).alias(), (weight.grad as Tensor).alias()];
        };
      }),
    );
  });
});

it('copies what is read often enough, and no more than a program should hold beside its own', () => {
  const [on, off] = [true, false].map((textures) => ({ textures }) as DeviceTraits);
  const via = (bytes: number, reads: number): string => viaFor(on, bytes, reads);
  expect([via(2 ** 20, 3), via(2 ** 20, 2), via(2 ** 18, 3), via(2 ** 18, 6)]).toEqual([
    'texture',
    'buffer',
    'buffer',
    'texture',
  ]);
  expect([via(2 ** 25, 100), via(2 ** 25 + 16, 100)]).toEqual(['texture', 'buffer']);
  expect(viaFor(off, 2 ** 20, 100)).toBe('buffer');
});
