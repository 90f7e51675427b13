import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  addInto,
  backward,
  type Device,
  HostScalar,
  matmul,
  openDevice,
  program,
  type Tensor,
  tensor,
  zeros,
} from '../../engine/node.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const random = (n: number, seed = 1): Float32Array => {
  let s = seed;
  return Float32Array.from({ length: n }, () => {
    s = (s * 1103515245 + 12345) % 2147483648;
    return s / 1073741824 - 1;
  });
};

describe('program', () => {
  const build = (eager: boolean) => {
    const x = tensor(random(6 * 5), [6, 5]);
    const w = tensor(random(5 * 3, 7), [5, 3], { requiresGrad: true });
    const b = tensor(random(3, 9), [1, 3]);
    let rate = 0.1;
    const step = program(
      () => {
        const y = add(matmul(x, w), b);
        const t = add(y, y);
        backward(t, tensor0);
        addInto(w, w.grad as Tensor, new HostScalar(() => -rate));
        device.effect(() => {
          rate *= 0.9;
        });
        return { t };
      },
      { eager },
    );
    const tensor0 = tensor(random(18, 3), [6, 3]);
    return { step, w };
  };

  it('replays with the same bits as eager, host scalars and effects included', async () => {
    const traced = build(false);
    const eager = build(true);
    for (let i = 0; i < 4; i++) {
      const a = await traced.step.run();
      const b = await eager.step.run();
      expect(await a.t.data()).toEqual(await b.t.data());
      expect(await traced.w.data()).toEqual(await eager.w.data());
    }
    expect(traced.step.plan?.temporaryBytes).toBeGreaterThan(0);
  });

  it('creates no buffer after the second step', async () => {
    const { step } = build(false);
    await step.run();
    await step.run();
    await device.sync();
    const before = device.snapshot();
    for (let i = 0; i < 500; i++) await step.run();
    await device.sync();
    expect(device.snapshot()).toEqual({ ...before, largest: expect.anything() });
  });

  it('refuses to read inside a program and to upload inside one', async () => {
    const x = zeros([2]);
    await expect(program(async () => x.data()).run()).rejects.toThrow(/asynchronous/);
    await expect(program(() => tensor([1, 2])).run()).rejects.toThrow(/write\(\) to it before each run/);
  });
});
