import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  addInto,
  affine,
  backward,
  Conv2d,
  copyInto,
  type Device,
  fill,
  Generator,
  HostScalar,
  matmul,
  mean,
  mul,
  noGrad,
  openDevice,
  Parameter,
  program,
  SGD,
  square,
  type Tensor,
  tensor,
  zeros,
} from '../../engine/node.ts';
import { expectClose } from '../expect-close.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());
afterEach(() => device.tuner.force('conv2d', undefined));

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

  it.each([false, true])('returns gradients, maps and tensors that are not its own (eager: %s)', async (eager) => {
    const [x, w] = [tensor([1, 2, 3]), tensor([4, 5, 6], undefined, { requiresGrad: true })];
    const step = program(
      () => {
        backward(mean(mul(square(w), x)));
        return new Map([
          ['gradient', w.grad as Tensor],
          ['input', x],
        ]);
      },
      { eager },
    );
    await step.run();
    // Storages of the same size: none of them may have taken the gradient's buffer.
    const others = [7, 8, 9].map((n) => fill([3], n));
    await device.sync();
    const result = await step.run();
    expect(w.grad).toBeUndefined();
    const rows = [8 / 3, 20 / 3, 12].map(Math.fround);
    expectClose((await result.get('gradient')?.floats()) ?? [], rows, { atol: 1e-6, rtol: 1e-6, label: 'gradient' });
    for (const [i, n] of [7, 8, 9].entries()) expect([...(await others[i].data())]).toEqual([n, n, n]);
    expect(result.get('input')).toBe(x);
    step.dispose();
    expect([...(await x.data())]).toEqual([1, 2, 3]);
  });

  it('runs between what is written before and after it, awaited or not', async () => {
    const [x, total] = [tensor([0]), zeros([1])];
    const step = program(() => addInto(total, x));
    await step.prepare();
    for (const n of [1, 10, 100]) {
      x.write([n]);
      if (n > 1) add(x, x); // something waits
      step.run();
    }
    await device.sync();
    expect(await total.item()).toBe(111);
  });

  it('leaves no gradient behind when its step fails', async () => {
    const w = tensor([1, 2], undefined, { requiresGrad: true });
    const kept = zeros([2]);
    let fails = true;
    const step = program(() => {
      backward(mean(square(w)));
      if (fails) throw new Error('half way');
      copyInto(kept, w.grad as Tensor);
    });
    await expect(step.run()).rejects.toThrow('half way');
    expect(w.grad).toBeUndefined();
    fails = false;
    await step.run();
    expect([...(await kept.data())]).toEqual([1, 2]);
  });

  it('gives all its memory back: made and disposed again and again, nothing grows', async () => {
    const w = new Parameter(new Float32Array(64), [8, 8]);
    const x = zeros([5, 8]);
    const bytes = async (): Promise<number> => {
      const step = program(() => mean(square(matmul(x, w))));
      await step.run();
      step.dispose();
      await device.sync();
      const { bytesInUse, bytesPooled } = device.snapshot();
      return bytesInUse + bytesPooled;
    };
    const [first, ...later] = [await bytes(), await bytes(), await bytes()];
    expect(later).toEqual([first, first]);
  });

  it('refuses a tensor that is made and kept inside it', async () => {
    const x = tensor([1, 2]);
    let state: Tensor | undefined;
    const counted = program(() => {
      state ??= zeros([2]).keep();
      addInto(state, x);
    });
    await expect(counted.run()).rejects.toThrow(/fill \[2\] was made and kept inside a program/);
  });

  it('refuses to read inside a program and to upload inside one', async () => {
    const x = zeros([2]);
    await expect(program(async () => x.data()).run()).rejects.toThrow(/asynchronous/);
    await expect(program(() => tensor([1, 2])).run()).rejects.toThrow(/write\(\) to it before each run/);
  });
});

/** Runs `make` with the environment variable `name` set to 0 and without it. */
const without = async <T>(name: string, make: () => Promise<T>): Promise<T> => {
  process.env[name] = '0';
  try {
    return await make();
  } finally {
    delete process.env[name];
  }
};

describe('what a program need not run', () => {
  const picture = () => tensor(random(2 * 12 * 12 * 3), [2, 12, 12, 3]);
  const layers = () => {
    const generator = new Generator(4);
    return [new Conv2d(3, 12, 3, { padding: 1, generator }), new Conv2d(12, 12, 3, { padding: 1, generator })] as const;
  };

  it('repeats nothing whose result is there, with the same bits (REUSE)', async () => {
    const build = async () => {
      const [first, second] = layers();
      const optimizer = new SGD([...first.namedParameters('a'), ...second.namedParameters('b')], { lr: 0.1 });
      const x = picture();
      const step = program(() => {
        const h = first.forward(x);
        const loss = mean(square(second.forward(second.forward(second.forward(h)))));
        backward(loss);
        optimizer.step();
        return { loss, again: mean(square(second.forward(first.forward(x)))) };
      });
      const found: unknown[] = [];
      for (let i = 0; i < 3; i++) {
        const { loss, again } = await step.run();
        found.push(await loss.item(), await again.item(), await second.weight.data());
      }
      return { found, plan: step.plan };
    };
    const plain = await without('REUSE', build);
    const reused = await build();
    expect(reused.found).toEqual(plain.found);
    expect(reused.plan?.dispatches).toBeLessThan(plain.plan?.dispatches ?? 0);
  });

  it('adds eight small gradients in a dispatch, in their order (GROUP)', async () => {
    const build = async () => {
      const generator = new Generator(4);
      const convs = Array.from({ length: 9 }, () => new Conv2d(3, 3, 3, { padding: 1, generator }));
      const all = (x: Tensor): Tensor => convs.reduce((h, conv) => conv.forward(h), x);
      const x = picture();
      const step = program(() => {
        backward(mean(square(all(all(all(x))))));
        const grads = convs.flatMap(({ weight, bias }) => [weight.grad, bias?.grad]).flatMap((g) => g ?? []);
        return grads.map((g) => affine(g, 1));
      });
      const grads = await step.run();
      return { dispatches: step.plan?.dispatches ?? 0, values: await Promise.all(grads.map((g) => g.data())) };
    };
    const one = await without('GROUP', build);
    const grouped = await build();
    expect(grouped.values).toHaveLength(18);
    expect(grouped.values).toEqual(one.values);
    // 36 sums: two passes of 18 tensors, 16 of them in groups of eight.
    expect(grouped.dispatches).toBe(one.dispatches - 28);
  });

  it.for(['lanes', 'tiled'])(
    'arranges the weights of inference once, and again when something changes them: %s',
    async (rung, test) => {
      if (rung === 'tiled') device.tuner.force('conv2d', rung);
      else if (device.traits.family !== 'lanes') return test.skip('needs subgroups of 8 (software Vulkan)');
      // So little work reads them as they stand.
      else device.tuner.force('conv2d', rung, { rows: 24, natural: 0 });
      const [first, second] = layers();
      const x = picture();
      const forward = () => noGrad(() => mean(square(second.forward(first.forward(x)))));
      const infer = program(forward);
      const optimizer = new SGD(second.namedParameters(), { lr: 0.1 });
      const train = program(() => {
        backward(mean(square(second.forward(noGrad(() => first.forward(x))))));
        optimizer.step();
      });
      const seen = new Set<number>();
      const check = async () => {
        const value = await (await infer.run()).item();
        expect(value).toBe(await forward().item());
        expect(value).toBe(await (await infer.run()).item());
        seen.add(value);
      };
      await check();
      expect(infer.plan?.constants).toBeGreaterThan(0);
      await train.run();
      await check();
      first.weight.write(random(first.weight.size, 5));
      await check();
      addInto(second.weight, tensor(random(second.weight.size, 6), second.weight.shape), 0.5);
      await check();
      expect(seen.size).toBe(4);
    },
  );
});
