import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, openDevice, tensor } from '../../engine/node.ts';
import { Tensor } from '../../engine/tensor.ts';
import { defineKernel, generated } from '../../kernels/kernel.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const kernel = defineKernel({
  name: 'quotients',
  computes: 'out = ⌊n / d⌋',
  bindings: { n: 'read', d: 'read', out: 'write' },
  params: { size: 'u32' },
  cost: () => ({ flops: 0, bytes: 0 }),
  variants: [
    {
      name: 'scalar',
      adds: 'the function of quotient.wgsl',
      passes: ({ size }) => [
        {
          source: generated(
            new URL('../../kernels/common/value.ts', import.meta.url).href,
            'quotients',
            () => `requires immediate_address_space;
// #include "quotient.wgsl"
struct Params { size: u32 }
var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> n: array<u32>;
@group(0) @binding(1) var<storage, read> d: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.size) { out[id.x] = quotient(n[id.x], d[id.x]); }
}`,
          ),
          workgroups: [Math.ceil(size / 64)] as const,
        },
      ],
    },
  ],
});

it('quotient is exact below 2³¹, beside multiples as between them', async () => {
  const most = 2 ** 31 - 1;
  const divisors = [
    1,
    2,
    3,
    5,
    7,
    10,
    49,
    63,
    64,
    67,
    134,
    255,
    1000,
    4095,
    4097,
    65_535,
    99_991,
    2 ** 20 + 1,
    2 ** 24 - 1,
    2 ** 30 + 1,
    most,
  ];
  const pairs = divisors.flatMap((d) =>
    [0, 1, 2, 3, 1000, 65_535, 2 ** 23 + 1, 2 ** 24 + 1, 2 ** 25 - 3, Math.floor(most / d) - 1, Math.floor(most / d)]
      .filter((times) => times >= 0 && times * d <= most)
      .flatMap((times) => [-1, 0, 1, Math.floor(d / 2), d - 1].map((more) => [times * d + more, d] as const))
      .filter(([n]) => n >= 0 && n <= most),
  );
  const [n, d] = [0, 1].map((i) =>
    tensor(
      Uint32Array.from(pairs, (pair) => pair[i]),
      [pairs.length],
    ),
  );
  const out = Tensor.empty([pairs.length], { dtype: 'u32', device });
  device.run(kernel, { n: n.storage, d: d.storage, out: out.storage }, { size: pairs.length });
  expect([...(await out.data())]).toEqual(pairs.map(([above, below]) => Math.floor(above / below)));
});
