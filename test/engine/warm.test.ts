import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, openDevice, program, square, tensor } from '../../engine/node.ts';
import { warmUp } from '../../engine/runtime/warm.ts';
import { generated } from '../../kernels/kernel.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

/** A kernel that no run before has compiled: `factor` makes the text unique. */
const fresh = (factor: number) =>
  device.shaders.get(
    generated(
      import.meta.url,
      `fresh-${factor}`,
      () => `requires immediate_address_space;
struct Params { size: u32 }
var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.size) { out[id.x] = x[id.x] * ${factor}.5; }
}`,
    ),
    undefined,
  );

it('compiles ahead on several devices, without an error and without running anything', async () => {
  const seed = Date.now();
  const shaders = await Promise.all(Array.from({ length: 6 }, (_, i) => fresh(seed + i)));
  const heard: string[] = [];
  await warmUp(device, [...shaders, ...shaders], {
    onProgress: (done, total) => heard.push(`${done}/${total}`),
    coldAfter: 0, // further devices from the first pipeline on
  });
  device.check();
  // Every kernel once; the first is done before the others are asked for help.
  expect(heard).toHaveLength(device.traits.software ? 6 : 0);
  if (device.traits.software) expect(heard.at(-1)).toBe('6/6');
  heard.length = 0;
  await warmUp(device, shaders.slice(0, 1), { onProgress: () => heard.push('again'), coldAfter: 0 });
  expect(heard).toEqual([]);
});

it('is what a program does before its first run, or earlier when asked', async () => {
  const x = tensor([1, 2, 3]);
  const squares = program(() => square(x));
  await Promise.all([squares.prepare(), squares.prepare()]);
  expect(squares.plan?.dispatches).toBe(1);
  expect([...(await (await squares.run()).data())]).toEqual([1, 4, 9]);
  x.write([4, 5, 6]);
  expect([...(await (await squares.run()).data())]).toEqual([16, 25, 36]);
});

it('says what is wrong with a step at every attempt', async () => {
  const wrong = program(() => x.data());
  const x = tensor([1]);
  await expect(wrong.prepare()).rejects.toThrow(/asynchronous/);
  await expect(wrong.run()).rejects.toThrow(/asynchronous/);
});
