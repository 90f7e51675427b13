import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  addInto,
  affine,
  backward,
  checkpoint,
  type Device,
  fill,
  gradEnabled,
  matmul,
  mul,
  noGrad,
  openDevice,
  scope,
  square,
  sum,
  Tensor,
  tensor,
  zeros,
} from '../../engine/node.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

describe('tensor', () => {
  it('keeps nested numbers, typed arrays and sizes that are no multiple of four bytes', async () => {
    const nested = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(nested.shape).toEqual([2, 3]);
    expect([...(await nested.data())]).toEqual([1, 2, 3, 4, 5, 6]);
    const bytes = tensor(Uint8Array.of(1, 2, 3, 250, 5), [5]);
    expect(bytes.dtype).toBe('u8');
    expect([...(await bytes.data())]).toEqual([1, 2, 3, 250, 5]);
  });

  it('reads at once, again and into an array of the caller', async () => {
    const sizes = [1, 5, 70_000, 16, 70_001, 3];
    const numbers = (n: number, k: number) => Float32Array.from({ length: n }, (_, i) => i * k);
    const tensors = sizes.map((n, i) => tensor(numbers(n, i + 1), [n]));
    for (let round = 0; round < 3; round++) {
      const found = await Promise.all(tensors.map((t) => t.floats()));
      expect(found).toEqual(sizes.map((n, i) => numbers(n, i + 1)));
    }
    const mine = new Float32Array(5);
    expect(await tensors[1].floats(mine)).toBe(mine);
    expect([...mine]).toEqual([0, 2, 4, 6, 8]);
    await expect(tensors[1].floats(new Float32Array(6))).rejects.toThrow(/has 5 elements; the array to fill has 6/);
  });

  it('names what does not fit', () => {
    expect(() => tensor([1, 2, 3], [2, 2])).toThrow(/3 values do not fill the shape \[2, 2\]/);
    expect(() => tensor([[1, 2], [3]])).toThrow(/different lengths/);
    expect(() => tensor([1, [2]])).toThrow(/different depths/);
    expect(() => zeros([2, -1])).toThrow(/not a shape/);
    expect(() => zeros([2]).write([1, 2, 3])).toThrow(/2 elements; 3 were given/);
    expect(() => matmul(zeros([2, 3]), zeros([4, 5]))).toThrow(/matmul: \[2, 3\] and \[4, 5\] do not fit/);
    expect(() => add(zeros([2, 3]), zeros([2, 4]))).toThrow(/add: \[2, 3\] and \[2, 4\]/);
  });

  it('runs writes in order with recorded operations', async () => {
    const x = tensor([1, 2]);
    const before = add(x, x);
    x.write([10, 20]);
    const after = add(x, x);
    expect([...(await before.data())]).toEqual([2, 4]);
    expect([...(await after.data())]).toEqual([20, 40]);
  });

  it('reports a tensor that nothing has written, and one that was disposed', async () => {
    const empty = Tensor.empty([3], { label: 'hollow' });
    await expect(empty.data()).rejects.toThrow(/hollow \[3\] is read, but nothing has written it/);
    expect(() => add(empty, empty)).toThrow(/nothing has written it/);
    const gone = zeros([3]);
    gone.dispose();
    expect(() => add(gone, gone)).toThrow(/was disposed/);
    expect(() => gone.write([1, 2, 3])).toThrow(/fill \[3\] was disposed/);
    expect(() => gone.detach()).toThrow(/fill \[3\] was disposed/);
    await expect(gone.data()).rejects.toThrow(/fill \[3\] was disposed/);
  });
});

describe('scope', () => {
  it('disposes what it made, but not what it returns or keeps', async () => {
    await device.sync();
    const before = device.snapshot().tensors;
    let kept: Tensor | undefined;
    const out = scope(() => {
      const a = fill([4], 2);
      kept = fill([4], 3).keep();
      return { sum: add(a, a) };
    });
    await device.sync();
    expect(device.snapshot().tensors).toBe(before + 2);
    expect([...(await out.sum.data())]).toEqual([4, 4, 4, 4]);
    out.sum.dispose();
    kept?.dispose();
    await device.sync();
    expect(device.snapshot().tensors).toBe(before);
  });

  it('reuses pooled buffers: a long eager loop does not grow', async () => {
    const run = () =>
      scope(() => {
        let x = fill([1000], 1);
        for (let i = 0; i < 20; i++) x = add(x, x);
        return x;
      });
    for (let i = 0; i < 3; i++) run().dispose();
    await device.sync();
    const { buffersCreated } = device.snapshot();
    for (let i = 0; i < 50; i++) {
      run().dispose();
      await device.flush();
    }
    await device.sync();
    expect(device.snapshot().buffersCreated).toBe(buffersCreated);
  });
});

describe('backward', () => {
  it('sums over every use of a tensor and accumulates into leaves', async () => {
    const x = tensor([[3]], undefined, { requiresGrad: true });
    const y = add(matmul(x, x), x); // x² + x
    backward(y);
    expect(await x.grad?.item()).toBe(7);
    backward(add(x, x));
    expect(await x.grad?.item()).toBe(9);
  });

  it('gives two leaves that share one upstream gradient their own sums', async () => {
    const a = tensor([1, 2], [1, 2], { requiresGrad: true });
    const b = tensor([3, 4], [1, 2], { requiresGrad: true });
    const seed = tensor([1, 1], [1, 2]);
    backward(add(a, b), seed);
    backward(add(a, a), seed);
    expect([...((await a.grad?.data()) ?? [])]).toEqual([3, 3]);
    expect([...((await b.grad?.data()) ?? [])]).toEqual([1, 1]);
    expect([...(await seed.data())]).toEqual([1, 1]);
  });

  it('flows through a disposed tensor, and says so where its values are needed', async () => {
    const x = tensor([1, 2], undefined, { requiresGrad: true });
    const through = scope(() => sum(affine(affine(x, 3), 2)));
    backward(through);
    expect([...((await x.grad?.data()) ?? [])]).toEqual([6, 6]);
    const cut = scope(() => sum(square(affine(x, 3))));
    expect(() => backward(cut)).toThrow(/square: affine \[2\], which its gradient needs, was disposed before backward/);
  });

  it('refuses values that were overwritten since the forward', () => {
    const x = tensor([1, 2], undefined, { requiresGrad: true });
    const w = tensor([3, 4], undefined, { requiresGrad: true });
    const written = sum(mul(x, w));
    w.write([5, 6]);
    expect(() => backward(written)).toThrow(/mul: tensor \[2\], which its gradient needs, was overwritten/);
    const updated = sum(mul(x, w));
    addInto(w, x);
    expect(() => backward(updated)).toThrow(/was overwritten before backward/);
  });

  it('lets go of what a loss was computed from', () => {
    const x = tensor([1, 2], undefined, { requiresGrad: true });
    const loss = sum(square(x));
    backward(loss);
    expect(loss.node?.inputs).toEqual([]);
    expect(() => backward(loss)).toThrow(/ran twice/);
  });

  it('is not recorded by an async noGrad either, nor for good by two of them', async () => {
    const x = tensor([1], undefined, { requiresGrad: true });
    const body = async (): Promise<boolean> => {
      await x.data();
      return gradEnabled();
    };
    expect(await Promise.all([noGrad(body), noGrad(body)])).toEqual([false, false]);
    await expect(noGrad(async () => Promise.reject(new Error('inside')))).rejects.toThrow('inside');
    expect(gradEnabled()).toBe(true);
  });

  it('goes through a checkpoint that does nothing, and leaves nothing behind', async () => {
    const x = tensor([1, 2], undefined, { requiresGrad: true });
    backward(sum(checkpoint((y) => y, affine(x, 3))));
    expect([...((await x.grad?.data()) ?? [])]).toEqual([3, 3]);
    await device.sync();
    const before = device.snapshot().tensors;
    scope(() => backward(sum(checkpoint(square, affine(x, 3)))));
    await device.sync();
    expect(device.snapshot().tensors).toBe(before);
  });

  it('walks a chain deeper than any call stack', async () => {
    const x = tensor([[1]], undefined, { requiresGrad: true });
    const zero = zeros([1, 1]);
    let y: Tensor = x;
    for (let i = 0; i < 20_000; i++) y = add(y, zero);
    backward(y);
    expect(await x.grad?.item()).toBe(1);
  });

  it('explains misuse', () => {
    const x = tensor([1, 2], [1, 2], { requiresGrad: true });
    expect(() => backward(add(x, x))).toThrow(/starts from one number/);
    expect(() => backward(noGrad(() => add(x, x)))).toThrow(/not on the tape/);
    const s = tensor([[1]], undefined, { requiresGrad: true });
    const y = add(s, s);
    backward(y);
    expect(() => backward(y)).toThrow(/ran twice through add/);
  });
});

describe('limits', () => {
  it('names the tensor and both sizes when a binding would be too large', () => {
    const limit = device.gpu.limits.maxStorageBufferBindingSize;
    expect(() => Tensor.empty([limit], { label: 'huge' })).toThrow(
      /huge \[\d+\] needs .* above this adapter's largest binding/,
    );
  });
});
