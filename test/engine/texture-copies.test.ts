import { afterAll, describe, expect, it, vi } from 'vitest';
import { type Device, openDevice, program, type Tensor, tensor } from '../../engine/node.ts';
import type { Dispatch } from '../../engine/runtime/lower.ts';
import { Storage } from '../../engine/runtime/memory.ts';
import { lifetimes } from '../../engine/runtime/plan.ts';
import { parseInterface } from '../../engine/runtime/shader.ts';
import { encodeCopy, TextureCopies, textureCopy } from '../../engine/runtime/texture-copies.ts';
import { Tensor as Made } from '../../engine/tensor.ts';
import { requiresTextures, TEXTURE_WIDTH, type Via, vec4Input } from '../../kernels/common/vec4-input.ts';
import { defineKernel, generated } from '../../kernels/kernel.ts';
import { samples } from '../gradcheck.ts';

const device: Device = await openDevice();
afterAll(() => device.close());

const text = (via: Via): string => `${requiresTextures(via)}requires immediate_address_space;
struct Params { size: u32 }
var<immediate> params: Params;
${vec4Input(0, 'a', via)}
${vec4Input(1, 'b', via)}
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (4u * id.x < params.size) { out[id.x] = 2.0 * loadA(id.x) + loadB(id.x); }
}`;

/** 2a + b, each read through a texture where this device has them. */
const doubleAndAdd = defineKernel({
  name: 'doubleAndAdd',
  computes: 'out = 2a + b',
  bindings: { a: 'read', b: 'read', out: 'write' },
  params: { size: 'u32' },
  cost: () => ({ flops: 0, bytes: 0 }),
  variants: [
    {
      name: 'only',
      adds: 'all there is',
      passes: ({ size }, _tile, { textures }) => {
        const via = textures ? 'texture' : 'buffer';
        return [
          {
            source: generated(import.meta.url, `double-and-add-${via}`, () => text(via)),
            workgroups: [Math.ceil(size / 256)],
          },
        ];
      },
    },
  ],
});

function apply(a: Tensor, b: Tensor): Tensor {
  const out = Made.empty(a.shape);
  device.run(doubleAndAdd, { a: a.storage, b: b.storage, out: out.storage }, { size: a.size });
  return out;
}

const expected = (a: Float32Array, b: Float32Array): Float32Array => a.map((v, i) => Math.fround(2 * v + b[i]));

it('tells a texture from a buffer in the text of a kernel', () => {
  const { bindings } = parseInterface(text('texture'));
  expect(bindings.map(({ name, readOnly, texture }) => [name, readOnly, texture])).toEqual([
    ['a', true, true],
    ['b', true, true],
    ['out', false, false],
  ]);
  expect(parseInterface(text('buffer')).bindings.map(({ texture }) => texture)).toEqual([false, false, false]);
});

describe('inputs through textures', () => {
  const line = 4 * TEXTURE_WIDTH;
  // Less than a line, whole lines, lines and a bit, a last vec4 that is not full.
  it.each([4, 20, line, 3 * line, 3 * line + 28, line - 2])('%i numbers', async (n) => {
    const [a, b] = [samples(n, 1), samples(n, 2)];
    expect(await apply(tensor(a), tensor(b)).floats()).toEqual(expected(a, b));
  });

  it('one tensor as both inputs', async () => {
    const a = samples(100, 3);
    const t = tensor(a);
    expect(await apply(t, t).floats()).toEqual(expected(a, a));
  });

  it('sees what was written between two dispatches, and between two runs', async () => {
    const [a, b] = [samples(5000, 4), samples(5000, 5)];
    const [ta, tb] = [tensor(a), tensor(b)];
    // The second reads what the first made, the third the first's inputs the other way round, and the second's result.
    const step = program(() => {
      const first = apply(ta, tb);
      const second = apply(first, ta);
      const third = apply(tb, ta);
      return { second, last: apply(third, second) };
    });
    const check = async (x: Float32Array): Promise<void> => {
      const first = expected(x, b);
      const second = expected(first, x);
      const result = await step.run();
      expect(await result.second.floats()).toEqual(second);
      expect(await result.last.floats()).toEqual(expected(expected(b, x), second));
    };
    await check(a);
    const other = samples(5000, 6);
    ta.write(other);
    await check(other);
    step.dispose();
  });

  it.runIf(device.traits.textures)('gives its textures back with the program', async () => {
    const [ta, tb] = [tensor(samples(5000, 7)), tensor(samples(5000, 8))];
    const step = program(() => apply(ta, tb));
    await step.run();
    // Two textures of two lines; the result is no temporary.
    expect(step.plan?.temporaryBytes).toBe(4 * 16 * TEXTURE_WIDTH);
    expect(step.plan?.unsharedBytes).toBe(4 * 16 * TEXTURE_WIDTH);
    const destroyed = vi.spyOn(device.memory, 'destroyTexture');
    step.dispose();
    expect(destroyed).toHaveBeenCalledTimes(2);
    destroyed.mockRestore();
  });
});

describe('places', () => {
  const storage = (bytes: number): Storage => {
    const made = new Storage(device.memory, bytes, `of ${bytes}`);
    made.written = true;
    return made;
  };
  const dispatch = (inputs: readonly Storage[], output: Storage): Dispatch =>
    ({
      kernel: doubleAndAdd,
      storages: [...inputs, output],
      slices: [],
      shader: {
        bindings: [
          ...inputs.map((_, index) => ({ index, name: `in${index}`, readOnly: true, texture: true })),
          { index: inputs.length, name: 'out', readOnly: false, texture: false },
        ],
      },
    }) as unknown as Dispatch;
  const LINE = 16 * TEXTURE_WIDTH;

  it('copies what is not there yet, and what has been written since', () => {
    const [a, b, c, out] = [3, 1, 2, 1].map((lines) => storage(lines * LINE));
    const list = [
      dispatch([a, b], out), // both
      dispatch([a, c], out), // a stands
      dispatch([c, b], a), // c stands; b comes anew, beside it; a is written
      dispatch([c, b], out), // both stand
      dispatch([a], out), // written since
    ];
    const textures = new TextureCopies(device.memory);
    const before = device.snapshot().bytesInUse;
    textures.reserve(list);
    expect(device.snapshot().bytesInUse - before).toBe((3 + 2) * LINE);
    const staged = textures.stage(list);
    expect(staged.map(({ copies }) => copies.map(({ storage }) => storage.bytes / LINE))).toEqual([
      [3, 1],
      [2],
      [1],
      [],
      [3],
    ]);
    for (const { textures: at } of staged) expect(new Set(at).size, 'a place for each').toBe(at.length);
    // Another list begins with nothing in place.
    expect(textures.stage(list.slice(4))[0].copies).toHaveLength(1);
    const lives = lifetimes(staged);
    expect([a, b, c, out].map((s) => [lives.get(s)?.first, lives.get(s)?.last])).toEqual([
      [-1, 7], // copied before the first dispatch, written by the third, copied before the fifth
      [-1, 3],
      [1, 1],
      [0, 8],
    ]);
    textures.dispose();
    for (const one of [a, b, c, out]) one.release();
  });

  it('tells the parts of a storage from each other', () => {
    const [a, out] = [storage(4 * LINE), storage(LINE)];
    const part = (first: number, count: number): Dispatch => ({ ...dispatch([a], out), slices: [{ first, count }] });
    const list = [part(0, 1024), part(0, 1024), part(1024, 1024), part(1024, 1040)];
    const textures = new TextureCopies(device.memory);
    textures.reserve(list);
    expect(textures.bytes).toBe(2 * LINE);
    expect(textures.stage(list).map(({ copies }) => copies.map(({ offset, size }) => [offset, size]))).toEqual([
      [[0, LINE]],
      [],
      [[LINE, LINE]],
      [[LINE, 1040 * 16]],
    ]);
    textures.dispose();
  });

  it('copies as soon as the numbers are there, and where nothing else needs the place', () => {
    const [a, b, out] = [storage(LINE), storage(LINE), storage(LINE)];
    const list = [
      dispatch([b], out), // stands in the place until here
      dispatch([], a),
      dispatch([], out),
      dispatch([a], out),
      dispatch([], out),
      dispatch([b], out),
    ];
    const textures = new TextureCopies(device.memory);
    textures.reserve(list);
    const staged = textures.stage(list);
    expect(staged.map(({ copies }) => copies.map((copy) => copy.storage))).toEqual([[b], [], [a], [], [b], []]);
    expect(lifetimes(staged).get(a)).toMatchObject({ first: 2, last: 3 });
    textures.dispose();
  });

  it('pushes out a small input that stands in the only place for a large one', () => {
    const [small, large, out] = [1, 4, 1].map((lines) => storage(lines * LINE));
    const list = [dispatch([large, small], out), dispatch([small], out), dispatch([large, small], out)];
    const textures = new TextureCopies(device.memory);
    textures.reserve(list);
    // Only the large place is left for what comes first.
    for (const { dispatch: one, textures: at } of textures.stage([dispatch([storage(2 * LINE)], out), ...list])) {
      expect(new Set(at).size).toBe(at.length);
      at.forEach((texture, i) => {
        if (texture) expect(texture.height * LINE).toBeGreaterThanOrEqual(one.storages[i]?.bytes ?? 0);
      });
    }
    textures.dispose();
  });
});

it.each([
  ['in one call where the buffer goes on to the end of the last line', 2 * 16 * TEXTURE_WIDTH, 1],
  ['in two where it ends before', 16 * TEXTURE_WIDTH + 64, 2],
])('copies a line and three texels, %s', async (_, room, calls) => {
  const [offset, size] = [16, 16 * TEXTURE_WIDTH + 48];
  const { gpu } = device;
  const values = Float32Array.from(samples((offset + room) / 4, 5));
  const { COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const from = gpu.createBuffer({ size: values.byteLength, usage: COPY_SRC | COPY_DST });
  const back = gpu.createBuffer({ size: 2 * 16 * TEXTURE_WIDTH, usage: COPY_DST | MAP_READ });
  const texture = gpu.createTexture({
    size: [TEXTURE_WIDTH, 2],
    format: 'rgba32float',
    usage: GPUTextureUsage.COPY_SRC | GPUTextureUsage.COPY_DST,
  });
  gpu.queue.writeBuffer(from, 0, values);
  const copy = textureCopy(from, offset, size, texture);
  expect(copy).toHaveLength(calls);
  const encoder = gpu.createCommandEncoder();
  encodeCopy(encoder, copy);
  encoder.copyTextureToBuffer({ texture }, { buffer: back, bytesPerRow: 16 * TEXTURE_WIDTH }, [TEXTURE_WIDTH, 2]);
  gpu.queue.submit([encoder.finish()]);
  await device.wait(back.mapAsync(GPUMapMode.READ));
  const found = new Float32Array(back.getMappedRange().slice(0, size));
  expect(found).toEqual(values.subarray(offset / 4, (offset + size) / 4));
  for (const one of [from, back, texture]) one.destroy();
});
