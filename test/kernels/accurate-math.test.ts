import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice, type Tensor, tensor } from '../../engine/node.ts';
import { Tensor as Made } from '../../engine/tensor.ts';
import { VEC4 } from '../../kernels/common/value.ts';
import { defineKernel, generated } from '../../kernels/kernel.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const FUNCTIONS = {
  Exp: Math.exp,
  Log: Math.log,
  Log1p: Math.log1p,
  Tanh: Math.tanh,
  Atanh: Math.atanh,
  Sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
} as const;
type Name = keyof typeof FUNCTIONS;

const kernelOf = (name: string) =>
  defineKernel({
    name: `accurate${name}`,
    computes: `out = ${name}(x)`,
    bindings: { x: 'read', out: 'write' },
    params: { size: 'u32' },
    cost: () => ({ flops: 0, bytes: 0 }),
    variants: [
      ...[1, 4].map((width) => ({
        name: width === 1 ? 'scalar' : 'vec4',
        adds: 'the functions on this width',
        passes: ({ size }: { size: number }) => [
          {
            source: generated(
              new URL('../../kernels/common/value.ts', import.meta.url).href,
              `accurate-${name}`,
              () => `requires immediate_address_space;
// #include "value.wgsl"
// #include "accurate-math.wgsl"
struct Params { size: u32 }
var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x * WIDTH < params.size) { out[id.x] = accurate${name}(x[id.x]); }
}`,
            ),
            constants: width === 4 ? VEC4 : {},
            workgroups: [Math.ceil(size / 64 / width)] as const,
          },
        ],
      })),
    ],
  });

async function evaluate(name: string, x: Float32Array, variant: string): Promise<Float32Array> {
  const kernel = kernelOf(name);
  const input = tensor(x);
  const out: Tensor = Made.empty([x.length]);
  device.tuner.force(kernel.name, variant);
  device.run(kernel, { x: input.storage, out: out.storage }, { size: x.length });
  const y = await out.floats();
  device.tuner.force(kernel.name, undefined);
  input.dispose();
  out.dispose();
  return y;
}

const bits = new Int32Array(1);
const float = new Float32Array(bits.buffer);
/** Floats in order, so that a difference counts the floats between two. */
const ordinal = (x: number): number => {
  float[0] = x;
  return bits[0] < 0 ? -(bits[0] & 0x7fffffff) : bits[0];
};

function worstUlp(f: (x: number) => number, x: Float32Array, y: Float32Array): number {
  let worst = 0;
  x.forEach((v, i) => {
    worst = Math.max(worst, Math.abs(ordinal(Math.fround(f(v))) - ordinal(y[i])) || 0);
    if (Number.isNaN(y[i])) worst = Infinity;
  });
  return worst;
}

let seed = 12345;
const random = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
const sample = (f: (u: number) => number): Float32Array => Float32Array.from({ length: 40_000 }, () => f(random()));
const RANGES: Record<Name, Record<string, Float32Array>> = {
  Exp: { wide: sample((u) => (u - 0.5) * 174), near0: sample((u) => (u - 0.5) * 2) },
  Log: { wide: sample((u) => Math.exp((u - 0.5) * 174)), near1: sample((u) => 1 + (u - 0.5) * 0.1) },
  Log1p: {
    wide: sample((u) => Math.exp(u * 80)),
    near0: sample((u) => (u - 0.5) * 1e-3),
    tiny: sample((u) => (u - 0.5) * 1e-12),
    middle: sample((u) => -1 + 4 * u),
  },
  Tanh: { wide: sample((u) => (u - 0.5) * 24), near0: sample((u) => (u - 0.5) * 0.01) },
  Atanh: {
    wide: sample((u) => 2 * u - 1),
    near0: sample((u) => (u - 0.5) * 1e-3),
    near1: sample((u) => 1 - u * u * 1e-3),
  },
  Sigmoid: { wide: sample((u) => (u - 0.5) * 170), near0: sample((u) => (u - 0.5) * 4) },
};

describe('accurate-math', () => {
  for (const name of Object.keys(FUNCTIONS) as Name[]) {
    it(`${name} is within 2 ulp, as scalar and as vec4, with the same bits`, async () => {
      for (const [range, x] of Object.entries(RANGES[name])) {
        const y = await evaluate(name, x, 'scalar');
        expect(worstUlp(FUNCTIONS[name], x, y), `${name} ${range}`).toBeLessThanOrEqual(2);
        expect(await evaluate(name, x, 'vec4')).toEqual(y);
      }
    });
  }

  it('treats NaN, infinities, signed zero and domain edges as IEEE 754 does', async () => {
    const special = [Number.NaN, Infinity, -Infinity, 0, -0, 1, -1, -2, 1000, -1000, 1e-40, 3.4e38, -3.4e38];
    const x = Float32Array.from({ length: 64 }, (_, i) => special[i % special.length]);
    for (const name of Object.keys(FUNCTIONS) as Name[]) {
      const y = await evaluate(name, x, 'scalar');
      const expected = x.map((v) => Math.fround(FUNCTIONS[name](v)));
      x.forEach((v, i) => {
        if (Number.isNaN(expected[i])) expect(y[i], `${name}(${v})`).toBeNaN();
        else if (expected[i] === 0 || !Number.isFinite(expected[i])) {
          expect(Math.abs(y[i] - expected[i]) || 0, `${name}(${v}) = ${y[i]}`).toBe(0);
        } else expect(Math.abs(ordinal(y[i]) - ordinal(expected[i])), `${name}(${v}) = ${y[i]}`).toBeLessThanOrEqual(2);
      });
    }
  });

  it('would notice an inaccurate function: the float32 identity log(1 + x) taken for log1p', () => {
    const x = RANGES.Log1p.near0;
    expect(
      worstUlp(
        Math.log1p,
        x,
        x.map((v) => Math.log(Math.fround(1 + v))),
      ),
    ).toBeGreaterThan(1000);
  });
});
