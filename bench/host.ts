/** What the host pays: each native call of a dispatch, and reading results back. */
import * as k from '../engine/node.ts';
import { type BoundDispatch, submit } from '../engine/runtime/submit.ts';
import { median } from './measure.ts';
import { quiet } from './quiet.ts';
import { gan } from './workloads.ts';

export interface HostCosts {
  /** Microseconds of a call: the fastest and the median of the loops. */
  readonly calls: readonly { readonly name: string; readonly least: number; readonly median: number }[];
  readonly reads: readonly ReadCost[];
}

export interface ReadCost {
  readonly bytes: number;
  /** Milliseconds into a new array, and into one of the caller's. */
  readonly fresh: number;
  readonly reused: number;
}

const LOOPS = 25;
const CALLS = 1000;

const shader = `requires immediate_address_space;
struct Params { size: u32, scale: f32, a: u32, b: u32 }
var<immediate> params: Params;
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.size) { out[id.x] = params.scale; }
}`;

/** The calls that engine/runtime/submit.ts makes for a dispatch, a thousand at a time; two pipelines, so that setting one changes something. */
async function nativeCalls(device: k.Device): Promise<HostCosts['calls']> {
  const { gpu } = device;
  const module = gpu.createShaderModule({ code: shader });
  const visibility = GPUShaderStage.COMPUTE;
  const layout = gpu.createBindGroupLayout({ entries: [{ binding: 0, visibility, buffer: { type: 'storage' } }] });
  const pipelineLayout = { bindGroupLayouts: [layout], immediateSize: 16 };
  const pipeline = (): GPUComputePipeline =>
    gpu.createComputePipeline({ layout: gpu.createPipelineLayout(pipelineLayout), compute: { module } });
  const pipelines = [pipeline(), pipeline()];
  const buffer = gpu.createBuffer({ label: 'host cost', size: 256, usage: GPUBufferUsage.STORAGE });
  const group = gpu.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] });
  const immediates = new Uint32Array([8, 0, 0, 0]);
  const samples = new Map<string, number[]>();
  const time = (name: string, work: () => void): void => {
    const start = performance.now();
    work();
    samples.set(name, [...(samples.get(name) ?? []), ((performance.now() - start) * 1000) / CALLS]);
  };
  const repeat = (call: (i: number) => void) => (): void => {
    for (let i = 0; i < CALLS; i++) call(i);
  };
  for (let loop = 0; loop <= LOOPS; loop++) {
    if (loop === 1) samples.clear(); // the first has compiled
    await quiet.turn();
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    time(
      'setPipeline',
      repeat((i) => pass.setPipeline(pipelines[i % 2])),
    );
    time(
      'setBindGroup',
      repeat(() => pass.setBindGroup(0, group)),
    );
    time(
      'setImmediates, an ArrayBuffer',
      repeat(() => pass.setImmediates(0, immediates.buffer)),
    );
    time(
      'setImmediates, a typed array',
      repeat(() => pass.setImmediates(0, immediates)),
    );
    time(
      'dispatchWorkgroups',
      repeat(() => pass.dispatchWorkgroups(1)),
    );
    pass.end();
    time('finish and submit', () => gpu.queue.submit([encoder.finish()]));
    await device.sync();
  }
  buffer.destroy();
  return [...samples].map(([name, times]) => ({ name, least: Math.min(...times), median: median(times) }));
}

/** A device whose calls do nothing. */
function idleDevice(): GPUDevice {
  const nothing = (): void => undefined;
  const pass = { setPipeline: nothing, setBindGroup: nothing, setImmediates: nothing };
  const whole = { ...pass, dispatchWorkgroups: nothing, end: nothing };
  const encoder = { beginComputePass: () => whole, copyBufferToTexture: nothing, finish: nothing };
  return { createCommandEncoder: () => encoder, queue: { submit: nothing } } as unknown as GPUDevice;
}

/** The engine's own part: its loop over a step's dispatches with calls that do nothing, right after the kernels have used the caches. */
async function javaScript(device: k.Device): Promise<HostCosts['calls']> {
  const step = gan(64, 16, 3).prepare(device);
  const native = device.submit;
  let list: readonly BoundDispatch[] = [];
  device.submit = (bound) => {
    if (bound.length > 0) list = bound;
    native.call(device, bound);
  };
  try {
    const idle = idleDevice();
    const samples: number[] = [];
    for (let run = 0; run < LOOPS; run++) {
      await step.run();
      const start = performance.now();
      submit(idle, list, undefined);
      samples.push(((performance.now() - start) * 1000) / list.length);
    }
    // The first ones are compiled anew.
    const steady = samples.slice(5);
    return [
      { name: 'the JavaScript around them, in CycleGAN’s step', least: Math.min(...steady), median: median(steady) },
    ];
  } finally {
    device.submit = native;
    step.dispose();
  }
}

async function readBack(device: k.Device, bytes: number): Promise<ReadCost> {
  const tensor = k.fill([bytes / 4], 1);
  const into = new Float32Array(bytes / 4);
  const samples = { fresh: [] as number[], reused: [] as number[] };
  const time = async (list: number[], array?: Float32Array<ArrayBuffer>): Promise<void> => {
    await quiet.turn();
    const start = performance.now();
    await tensor.floats(array);
    list.push(performance.now() - start);
  };
  await device.sync();
  for (let round = 0; round < 8; round++) {
    await time(samples.fresh);
    await time(samples.reused, into);
  }
  tensor.dispose();
  // The first round has made the staging buffers.
  return { bytes, fresh: median(samples.fresh.slice(1)), reused: median(samples.reused.slice(1)) };
}

/** A few seconds. */
export async function measureHost(device: k.Device): Promise<HostCosts> {
  const calls = [...(await nativeCalls(device)), ...(await javaScript(device))];
  const reads: ReadCost[] = [];
  for (const bytes of [2 ** 12, 2 ** 24, 2 ** 26]) reads.push(await readBack(device, bytes));
  return { calls, reads };
}
