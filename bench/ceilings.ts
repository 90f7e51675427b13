/** What this adapter can do at most, measured in the same run: multiply-adds without memory, and a copy. */
import type { Device } from '../engine/index.ts';
import { Tensor } from '../engine/index.ts';
import { defineKernel, foldWorkgroups, generated } from '../kernels/kernel.ts';
import { interleaved } from './measure.ts';

export interface Ceilings {
  /** GFLOP/s of independent f32 multiply-adds (two operations each). */
  readonly gflops: number;
  /** GB/s of a vec4 copy kernel, bytes read and written. */
  readonly gbps: number;
}

const CHAINS = 8;

const fmaKernel = defineKernel({
  name: 'ceiling-fma',
  computes: 'chains of x ← x · a + b in registers',
  bindings: { out: 'write' },
  params: { loops: 'u32' },
  cost: () => ({ flops: 0, bytes: 0 }),
  variants: [
    {
      name: 'only',
      adds: '',
      passes: () => [
        {
          source: generated(import.meta.url, 'ceiling-fma', () => {
            const chains = Array.from({ length: CHAINS }, (_, i) => i);
            return `requires immediate_address_space;
struct Params { loops: u32 }
var<immediate> params: Params;
@group(0) @binding(0) var<storage, read_write> out: array<vec4f>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = vec4f(0.999);
  let b = vec4f(f32(id.x) * 1e-7);
  ${chains.map((i) => `var x${i} = vec4f(${i}.5);`).join('\n  ')}
  for (var k = 0u; k < params.loops; k++) {
    ${Array.from({ length: 8 }, () => chains.map((i) => `x${i} = x${i} * a + b;`).join(' ')).join('\n    ')}
  }
  out[id.x] = ${chains.map((i) => `x${i}`).join(' + ')};
}`;
          }),
          workgroups: [FMA_GROUPS],
        },
      ],
    },
  ],
});
const FMA_GROUPS = 4096;

const copyKernel = defineKernel({
  name: 'ceiling-copy',
  computes: 'out = x',
  bindings: { x: 'read', out: 'write' },
  params: { size: 'u32' },
  cost: ({ size }) => ({ flops: 0, bytes: 8 * size }),
  variants: [
    {
      name: 'only',
      adds: '',
      passes: ({ size }) => [
        {
          source: generated(
            import.meta.url,
            'ceiling-copy',
            () => `requires immediate_address_space;
struct Params { size: u32 }
var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 256u + lane;
  if (i * 4u < params.size) { out[i] = x[i]; }
}`,
          ),
          workgroups: foldWorkgroups(size / 1024),
        },
      ],
    },
  ],
});

/** Both ceilings; a second or two. */
export async function measureCeilings(device: Device): Promise<Ceilings> {
  const loops = device.traits.software ? 16 : 2048;
  const invocations = FMA_GROUPS * 64;
  const sink = Tensor.empty([invocations * 4], { label: 'fma sink' });
  const size = device.traits.software ? 1 << 22 : 1 << 26;
  const x = Tensor.empty([size], { label: 'copy source' }).write(new Float32Array(size).fill(1));
  const y = Tensor.empty([size], { label: 'copy target' });
  const [fma, copy] = await interleaved(
    [
      {
        name: 'fma',
        run: () => {
          device.run(fmaKernel, { out: sink.storage }, { loops });
          return device.sync();
        },
      },
      {
        name: 'copy',
        run: () => {
          device.run(copyKernel, { x: x.storage, out: y.storage }, { size });
          return device.sync();
        },
      },
    ],
    { rounds: 9 },
  );
  for (const t of [sink, x, y]) t.dispose();
  // The best run: a ceiling is what nothing disturbed.
  const flops = invocations * loops * 8 * CHAINS * 4 * 2;
  return { gflops: flops / fma.min / 1e6, gbps: (8 * size) / copy.min / 1e6 };
}
