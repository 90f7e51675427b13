/** What this adapter can do at most, measured in the same run: multiply-adds without memory, and memory without sums. */
import type { Device } from '../engine/index.ts';
import { Tensor } from '../engine/index.ts';
import { defineKernel, foldWorkgroups, generated } from '../kernels/kernel.ts';
import { type Contender, interleaved, type TurnOptions } from './measure.ts';

export interface Ceilings {
  /** GFLOP/s of independent f32 multiply-adds (two operations each). */
  readonly gflops: number;
  /** GB/s of the fastest kernel that only moves memory, bytes read and written. */
  readonly gbps: number;
  /** Which one that was. */
  readonly gbpsBy: string;
  /** GB/s of the driver's own copyBufferToBuffer, bytes read and written. */
  readonly copyGbps: number;
}

const CHAINS = 8;

const fmaKernel = defineKernel({
  name: 'ceiling-fma',
  computes: 'chains of x ← x · a + b in registers',
  bindings: { out: 'write' },
  params: { loops: 'u32', groups: 'u32' },
  cost: () => ({ flops: 0, bytes: 0 }),
  variants: [
    {
      name: 'only',
      adds: '',
      passes: ({ groups }) => [
        {
          source: generated(import.meta.url, 'ceiling-fma', () => {
            const chains = Array.from({ length: CHAINS }, (_, i) => i);
            return `requires immediate_address_space;
struct Params { loops: u32, groups: u32 }
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
          workgroups: [groups],
        },
      ],
    },
  ],
});
const FMA_GROUPS = 4096;

/**
 * A fixed piece of arithmetic that takes its turn in every measurement: where it is slower the machine was, not the work.
 * Shared hosts halve their speed for minutes on end, which no number of samples within one run shows.
 */
export function yardstick(device: Device): Contender & { dispose(): void } {
  const out = Tensor.empty([FMA_GROUPS * 64 * 4], { label: 'yardstick' });
  return {
    name: 'yardstick',
    run: () => {
      device.run(fmaKernel, { out: out.storage }, { loops: device.traits.software ? 8 : 512, groups: FMA_GROUPS });
      return device.sync();
    },
    dispose: () => out.dispose(),
  };
}

const AWAKE_MS = 20;

/**
 * How turns follow each other. A GPU that idles for milliseconds lowers its clocks (an H200's FMA loop then ran at 45 TFLOP/s
 * instead of 63), so there a turn begins behind arithmetic instead of a pause, and is shorter.
 */
export function pace({ traits }: Device, stick: Contender): Pick<TurnOptions, 'turnMs' | 'settle'> {
  if (traits.software) return {};
  const settle = async (): Promise<void> => {
    for (const start = performance.now(); performance.now() - start < AWAKE_MS; ) await stick.run();
  };
  return { turnMs: 30, settle };
}

/**
 * One way to walk over memory: an invocation moves `vectors` vec4s that lie a workgroup apart, written out or in a loop. No
 * single one is the fastest everywhere: lavapipe pays per workgroup and per invocation, a GPU wants many in flight.
 */
interface Walk {
  readonly workgroup: number;
  readonly vectors: number;
  readonly loop: boolean;
  /** Reads everything and writes one sum per invocation: what a reduction can reach. */
  readonly readOnly: boolean;
}

const walks: readonly Walk[] = [
  { workgroup: 256, vectors: 1, loop: false, readOnly: false },
  { workgroup: 256, vectors: 4, loop: false, readOnly: false },
  { workgroup: 64, vectors: 64, loop: true, readOnly: false },
  { workgroup: 8, vectors: 16, loop: true, readOnly: false },
  { workgroup: 8, vectors: 64, loop: true, readOnly: false },
  { workgroup: 8, vectors: 64, loop: true, readOnly: true },
  { workgroup: 256, vectors: 16, loop: true, readOnly: true },
];

const describeWalk = ({ workgroup, vectors, loop, readOnly }: Walk): string =>
  `${readOnly ? 'a sum' : 'a copy'}, ${vectors} vec4 per invocation${loop ? ' in a loop' : ''}, workgroups of ${workgroup}`;

function walkText({ workgroup, vectors, loop, readOnly }: Walk): string {
  const unrolled = Array.from(
    { length: vectors },
    (_, j) => `out[at + ${j * workgroup}u] = x[at + ${j * workgroup}u];`,
  );
  const move = readOnly ? 'sum += x[at];' : 'out[at] = x[at];';
  const looped = `for (var j = 0u; j < ${vectors}u; j++) { ${move} at += ${workgroup}u; }`;
  return `requires immediate_address_space;
struct Params { size: u32 }
var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * count.x + wid.x;
  var at = group * ${workgroup * vectors}u + lane;
  if (at * 4u >= params.size) { return; }
  ${readOnly ? 'var sum = vec4f(0.0);' : ''}
  ${loop ? looped : unrolled.join(' ')}
  ${readOnly ? `out[group * ${workgroup}u + lane] = sum;` : ''}
}`;
}

const walkKernel = (walk: Walk) =>
  defineKernel({
    name: `ceiling-${JSON.stringify(walk)}`,
    computes: walk.readOnly ? 'sums of x' : 'out = x',
    bindings: { x: 'read', out: 'write' },
    params: { size: 'u32' },
    cost: ({ size }) => ({ flops: 0, bytes: bytesOf(walk, size) }),
    variants: [
      {
        name: 'only',
        adds: '',
        passes: ({ size }) => [
          {
            source: generated(import.meta.url, `ceiling-${JSON.stringify(walk)}`, () => walkText(walk)),
            workgroups: foldWorkgroups(size / 4 / walk.workgroup / walk.vectors),
          },
        ],
      },
    ],
  });

const bytesOf = ({ vectors, readOnly }: Walk, size: number): number => 4 * size * (readOnly ? 1 + 1 / vectors : 2);

/** A GPU idles at low clocks: a second of work before anything is timed. */
const WARM_UP_MS = 1000;

/** All ceilings; a few seconds. */
export async function measureCeilings(device: Device): Promise<Ceilings> {
  const { software } = device.traits;
  // A GPU of a hundred processors needs many workgroups for each, so that the last ones to end do not count, and runs of
  // milliseconds, beside which a submission and its wait are nothing.
  const loops = software ? 16 : 2048;
  const groups = software ? FMA_GROUPS : 8 * FMA_GROUPS;
  const copies = software ? 1 : 32;
  const invocations = groups * 64;
  const sink = Tensor.empty([invocations * 4], { label: 'fma sink' });
  const size = software ? 1 << 22 : 1 << 26;
  // Both written before anything is timed: the first touch of a page costs more than a copy of it.
  const x = Tensor.empty([size], { label: 'copy source' }).write(new Float32Array(size).fill(1));
  const y = Tensor.empty([size], { label: 'copy target' }).write(new Float32Array(size));
  const { gpu } = device;
  const [source, target] = [x, y].map((t) => device.memory.materialise(t.storage));
  const multiplyAdd = (): Promise<void> => {
    device.run(fmaKernel, { out: sink.storage }, { loops, groups });
    return device.sync();
  };
  for (const start = performance.now(); !software && performance.now() - start < WARM_UP_MS; ) await multiplyAdd();
  const arithmetic = { name: 'fma', run: multiplyAdd };
  const [fma, copy, ...moves] = await interleaved(
    [
      arithmetic,
      {
        name: 'copyBufferToBuffer',
        run: () => {
          const encoder = gpu.createCommandEncoder();
          for (let i = 0; i < copies; i++) encoder.copyBufferToBuffer(source, 0, target, 0, 4 * size);
          gpu.queue.submit([encoder.finish()]);
          return device.sync();
        },
      },
      ...walks.map((walk) => {
        const kernel = walkKernel(walk);
        return {
          name: describeWalk(walk),
          run: () => {
            for (let i = 0; i < copies; i++) device.run(kernel, { x: x.storage, out: y.storage }, { size });
            return device.sync();
          },
        };
      }),
    ],
    { rounds: 15, ...pace(device, arithmetic) },
  );
  for (const t of [sink, x, y]) t.dispose();
  // The best run: a ceiling is what nothing disturbed.
  const flops = invocations * loops * 8 * CHAINS * 4 * 2;
  const rates = moves.map(({ name, min }, i) => ({ name, gbps: (copies * bytesOf(walks[i], size)) / min / 1e6 }));
  const fastest = rates.reduce((best, rate) => (rate.gbps > best.gbps ? rate : best));
  return {
    gflops: flops / fma.min / 1e6,
    gbps: fastest.gbps,
    gbpsBy: fastest.name,
    copyGbps: (copies * 8 * size) / copy.min / 1e6,
  };
}
