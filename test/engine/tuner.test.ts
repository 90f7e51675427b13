import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Device,
  LANES_DEFAULTS,
  matmul,
  openDevice,
  platform,
  setPlatform,
  type Tensor,
  tensor,
} from '../../engine/node.ts';
import { Tensor as T } from '../../engine/tensor.ts';
import { defineKernel, generated, type Kernel, workgroupsFor } from '../../kernels/kernel.ts';
import { samples } from '../gradcheck.ts';

const real = platform();
const kept = new Map<string, string>();
let mode: string | undefined;
/** Stands for the committed table where it is set. */
let committed: Readonly<Record<string, string>> | undefined;
const devices: Device[] = [];

/** A device of its own with the tuner in a mode, on a cache that lives in memory. */
async function open(tune: string | undefined): Promise<Device> {
  mode = tune;
  const device = await openDevice();
  devices.push(device);
  return device;
}

beforeAll(() => {
  setPlatform({
    ...real,
    env: (name) => (name === 'TUNE' ? mode : real.env(name)),
    readText: (url) =>
      committed && url.href === LANES_DEFAULTS.href
        ? Promise.resolve(JSON.stringify({ choices: committed }))
        : real.readText(url),
    cache: {
      read: async (key) => kept.get(key),
      write: async (key, text) => {
        kept.set(key, text);
      },
    },
    log: () => undefined,
  });
});
afterAll(async () => {
  for (const device of devices) await device.close();
  setPlatform(real);
});

/**
 * out = a + 1 by two rungs; `text` is what the second, faster-looking one computes. The first draws many random numbers before it
 * (xorshift, Marsaglia 2003, which no compiler foresees): so it is slower on any device, beside whatever a dispatch costs.
 */
const ladder = (name: string, text: string, repeats = 4000): Kernel<'a' | 'out', 'size'> => {
  const rung = (value: string, repeats: number) =>
    generated(
      import.meta.url,
      `${name}-${value}-${repeats}`,
      () =>
        `
requires immediate_address_space;
struct Params { size: u32 }
var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.size) { return; }
  var random = bitcast<u32>(a[i]) | 1u;
  for (var r = 0u; r < ${repeats}u; r++) {
    random ^= random << 13u;
    random ^= random >> 17u;
    random ^= random << 5u;
  }
  if (random != 0u) { out[i] = ${value}; } // as always: it never becomes zero
}`,
    );
  return defineKernel({
    name,
    computes: 'out = a + 1',
    bindings: { a: 'read', out: 'write' },
    params: { size: 'u32' },
    cost: ({ size }) => ({ flops: 100 * size, bytes: 8 * size }),
    tunable: true,
    variants: [
      {
        name: 'naive',
        adds: 'slow',
        passes: ({ size }) => [{ source: rung('a[i] + 1.0', repeats), workgroups: workgroupsFor(size, 64) }],
      },
      {
        name: 'challenger',
        adds: 'fast',
        suits: () => false,
        passes: ({ size }) => [{ source: rung(text, 0), workgroups: workgroupsFor(size, 64) }],
      },
    ],
  });
};

async function run(
  device: Device,
  kernel: Kernel<'a' | 'out', 'size'>,
): Promise<{ variant: string; values: number[] }> {
  const n = 2 ** 16;
  const a = tensor(samples(n, 5), [n], { device });
  const out: Tensor = T.empty([n], { device });
  device.run(kernel, { a: a.storage, out: out.storage }, { size: n });
  const values = [...(await out.floats()).subarray(0, 3)];
  const entries = await device.profile(() => device.run(kernel, { a: a.storage, out: out.storage }, { size: n }));
  return { variant: entries[0].variant, values };
}

describe('tuner', () => {
  it('takes a faster rung that it has measured, keeps it, and uses it in the next process without measuring', async () => {
    const kernel = ladder('tunedRight', 'a[i] + 1.0');
    const first = await open('1');
    const found = await run(first, kernel);
    expect(found.variant).toBe('challenger');
    expect(first.tuner.log.join()).toMatch(/tunedRight.*challenger/);
    const second = await open(undefined);
    expect(await run(second, kernel)).toEqual(found);
    expect(second.tuner.log).toEqual([]);
    const off = await open('0');
    expect((await run(off, kernel)).variant).toBe('naive');
  });

  it('forgets a measurement when the text of the rung has changed', async () => {
    await run(await open('1'), ladder('tunedText', 'a[i] + 1.0'));
    expect((await run(await open(undefined), ladder('tunedText', '1.0 + a[i]'))).variant).toBe('naive');
  });

  it('takes what the committed table says where nothing was measured here, unless a text has changed since', async () => {
    const name = 'tunedTable';
    const kernel = ladder(name, 'a[i] + 1.0');
    const measuring = await open('1');
    await run(measuring, kernel);
    const { won } = measuring.tuner;
    expect(Object.entries(won).join()).toMatch(
      /^tunedTable size=65536,challenger #[0-9a-f]{8}, [\d.]+ µs instead of [\d.]+$/,
    );
    kept.clear();
    committed = won;
    // Other adapters than software Vulkan have no table.
    const expected = measuring.traits.family === 'lanes' ? 'challenger' : 'naive';
    const by = async (tune: string | undefined, of = kernel): Promise<string> =>
      (await run(await open(tune), of)).variant;
    expect(await by(undefined)).toBe(expected);
    expect(await by('0')).toBe('naive');
    expect(await by(undefined, ladder(name, '1.0 + a[i]'))).toBe('naive');
    expect(await by(undefined, ladder(name, 'a[i] + 1.0', 4001))).toBe('naive');
    // A measurement of this machine comes first; here, of a challenger that computed wrong values.
    await run(await open('1'), ladder(name, 'a[i] + 1.01'));
    expect(await by(undefined)).toBe('naive');
    committed = undefined;
    kept.clear();
  });

  it.each([
    ['wrong', 'a[i] + 1.01'],
    ['NaN', 'bitcast<f32>(0x7fc00000u + params.size - params.size)'],
  ])('never takes a rung that computes %s values', async (name, text) => {
    const device = await open('1');
    expect((await run(device, ladder(`tuned${name}`, text))).variant).toBe('naive');
  });

  it('measures a real ladder while an eager product runs, and gives the same product', async () => {
    const product = async (device: Device): Promise<Float32Array> => {
      const a = tensor(samples(96 * 64, 1), [96, 64], { device });
      const b = tensor(samples(64 * 96, 2), [64, 96], { device });
      return matmul(a, b).floats();
    };
    const plain = await product(await open('0'));
    const device = await open('1');
    const tuned = await product(device);
    expect(device.tuner.log.join()).toMatch(/matmul .*lanes|matmul .*tiled/);
    expect(Math.max(...tuned.map((v, i) => Math.abs(v - plain[i])))).toBeLessThan(1e-4);
  });

  it('refuses a mode that does not exist', async () => {
    await expect(open('sometimes')).rejects.toThrow(/TUNE=sometimes is not a mode/);
  });
});
