import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  type Device,
  DeviceError,
  exp,
  fill,
  KernelError,
  matmul,
  mean,
  mul,
  openDevice,
  permute,
  program,
  reshape,
  scope,
  sigmoid,
  sum,
  Tensor,
  zeros,
} from '../../engine/node.ts';
import { defineKernel, generated } from '../../kernels/kernel.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const kernelOf = (name: string, code: string, workgroups: [number, number?, number?] = [1]) =>
  defineKernel({
    name,
    computes: 'nothing of use',
    bindings: { out: 'write' },
    params: {},
    cost: () => ({ flops: 0, bytes: 0 }),
    variants: [
      { name: 'only', adds: '', passes: () => [{ source: generated(import.meta.url, name, () => code), workgroups }] },
    ],
  });
const run = (kernel: ReturnType<typeof kernelOf>): Promise<unknown> => {
  const out = Tensor.empty([4]);
  device.run(kernel, { out: out.storage }, {});
  return out.data();
};
const main = '@compute @workgroup_size(1) fn main() { out[0] = 1.0; }';

describe('kernel errors', () => {
  it('quotes the line of a shader that does not compile', async () => {
    const broken = `@group(0) @binding(0) var<storage, read_write> out: array<f32>;\n@compute @workgroup_size(1) fn main() { out[0] = nope; }`;
    await expect(run(kernelOf('broken', broken))).rejects.toThrow(
      /broken does not compile:\n {2}line 2: .*nope.*\n.*out\[0\] = nope/,
    );
  });

  it('refuses a binding that the declaration does not know', async () => {
    const other = `@group(0) @binding(0) var<storage, read_write> result: array<f32>;\n${main.replaceAll('out[', 'result[')}`;
    await expect(run(kernelOf('misnamed', other))).rejects.toThrow(
      /binds result, which neither the declaration nor its scratch has/,
    );
  });

  it('refuses a grid that no adapter has', async () => {
    const code = `@group(0) @binding(0) var<storage, read_write> out: array<f32>;\n${main}`;
    await expect(run(kernelOf('wide', code, [70_000]))).rejects.toThrow(/70000×1×1 workgroups/);
  });

  it('raises a validation error of the GPU at the next foreground call, once', async () => {
    const buffer = device.gpu.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ });
    const encoder = device.gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, buffer, 0, 16);
    device.gpu.queue.submit([encoder.finish()]);
    await expect(device.sync()).rejects.toThrow(KernelError);
    await device.sync();
  });
});

describe('device errors', () => {
  it('counts its own bytes on a software adapter and names the largest tensors', async () => {
    process.env.KINDERGRAD_MEMORY_MB = '8';
    const { openDevice: open } = await import('../../engine/node.ts');
    const small = await open();
    delete process.env.KINDERGRAD_MEMORY_MB;
    const held = zeros([1_500_000], { device: small, label: 'big one' });
    await small.flush();
    const second = zeros([1_000_000], { device: small, label: 'one too many' });
    await expect(second.data()).rejects.toThrow(
      /one too many .*needs 3\.8 MiB; 5\.7 MiB of 8\.0 MiB are in use.*big one/s,
    );
    held.dispose();
    second.dispose();
    await small.close().catch(() => undefined);
    await openDevice().then((d) => {
      device = d;
    });
  });

  it('makes room from what one flush has done with, and has all of it after a program that did not fit', async () => {
    process.env.KINDERGRAD_MEMORY_MB = '8';
    const small = await openDevice();
    delete process.env.KINDERGRAD_MEMORY_MB;
    const one = fill([1], 1);
    await small.sync();
    const used = (): number => small.snapshot().bytesInUse + small.snapshot().bytesPooled;
    const before = used();

    const n = 2 ** 19;
    const step = program(() => {
      const a = add(fill([n], 0), one);
      const b = sigmoid(exp(a));
      const c = matmul(reshape(permute(reshape(b, [n / 4, 4]), [1, 0]), [n / 64, 64]), fill([64, 64], 1));
      return sum(mul(mul(a, b), reshape(c, [n])));
    });
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(step.run()).rejects.toThrow(/Out of memory/);
      await small.sync();
      expect(used()).toBe(before);
    }

    const sizes = [2.5, 3.125, 3.75, 2.75, 3.5, 2.25, 3.875, 1.125, 3.25];
    const means = sizes.map((size) => scope(() => mean(add(fill([size * 2 ** 18], 1), one))));
    for (const y of means) expect(await y.item()).toBe(2);
    await small.close();
    device = await openDevice();
  });

  it('names tensors of different devices', async () => {
    const here = fill([2], 1);
    const other = await openDevice();
    expect(() => add(here, fill([3, 1], 1))).toThrow(
      /add: its inputs fill \[2\], fill \[3, 1\] are on different devices/,
    );
    await other.close();
    device = await openDevice();
  });

  it('says so when the device was closed or lost', async () => {
    const lost = await openDevice();
    lost.gpu.destroy();
    await lost.gpu.lost;
    await expect(zeros([2], { device: lost }).data()).rejects.toThrow(DeviceError);
    device = await openDevice();
  });
});

describe('profiler', () => {
  it('times each dispatch', async () => {
    const entries = await device.profile(() => {
      zeros([1 << 16]);
    });
    const variant = device.traits.family === 'lanes' ? 'walks' : 'vec4';
    expect(entries.map((e) => `${e.kernel}/${e.variant}`)).toEqual([`fill/${variant}`]);
    expect(entries[0].nanoseconds).toBeGreaterThan(0);
    expect(entries[0].bytes).toBe(4 << 16);
  });
});
