import { platform } from '../platform.ts';
import { openAdapter } from './adapter.ts';
import type { Device } from './device.ts';
import { type CompiledShader, layoutsOf } from './shader.ts';

/** Done so far, of how many. */
export type WarmProgress = (done: number, total: number) => void;

/** A pipeline that takes longer was not in the driver's disk cache. */
const COLD_MS = 200;

/** A software adapter's devices cost memory each; more would wait for the last few long pipelines anyway. */
const MOST_DEVICES = 8;

const warm = new WeakSet<GPUComputePipeline>();

/**
 * Makes a software driver compile what it otherwise would at the first dispatch, one kernel after the other on one thread
 * (so-dlse: 72 kernels, 20 s). Each pipeline is dispatched with no workgroups, which runs nothing and writes nothing.
 * Where the driver's disk cache is cold, further devices compile from the other end of the list, one for each core; what
 * they have compiled comes from that cache in milliseconds. GPUs compile when a pipeline is made: nothing to do there.
 * `WARM=0` leaves it to the first dispatches.
 */
export async function warmUp(
  device: Device,
  shaders: Iterable<CompiledShader>,
  options: { onProgress?: WarmProgress | undefined; coldAfter?: number } = {},
): Promise<void> {
  const { onProgress, coldAfter = COLD_MS } = options;
  if (!device.traits.software || platform().env('WARM') === '0') return;
  const waiting = [...new Set(shaders)].filter(({ pipeline }) => !warm.has(pipeline));
  const total = waiting.length;
  const helpers: Promise<void>[] = [];
  let done = 0;
  const finished = (): void => {
    done++;
    if (helpers.length > 0) onProgress?.(done, total);
  };
  const own = new NoWork(device, device.gpu);
  for (let shader = waiting.shift(); shader; shader = waiting.shift()) {
    const start = performance.now();
    await own.run(shader.pipeline, shader.layout, shader);
    warm.add(shader.pipeline);
    if (performance.now() - start > coldAfter && helpers.length === 0) {
      const count = Math.min(platform().cores(), MOST_DEVICES) - 1;
      // Without a further device the rest is compiled here, or by its first dispatch, which raises what is wrong.
      const quit = (error: unknown): void => platform().log(`compiling ahead: ${String(error)}`);
      for (let i = 0; i < count; i++) helpers.push(help(device, waiting, finished).catch(quit));
    }
    finished();
  }
  own.dispose();
  await Promise.all(helpers);
}

/** Compiles from the end of the list on a device of its own. */
async function help(device: Device, waiting: CompiledShader[], finished: () => void): Promise<void> {
  const { gpu } = await openAdapter();
  gpu.addEventListener('uncapturederror', (event) => {
    event.preventDefault();
    platform().log(`compiling ahead: ${event.error.message}`); // the kernel's own device will compile it, and raise what is wrong
  });
  const noWork = new NoWork(device, gpu);
  for (let shader = waiting.pop(); shader; shader = waiting.pop()) {
    const module = gpu.createShaderModule({ code: shader.code });
    const { layout, pipelineLayout } = layoutsOf(gpu, shader);
    const pipeline = await device.wait(gpu.createComputePipelineAsync({ layout: pipelineLayout, compute: { module } }));
    await noWork.run(pipeline, layout, shader);
    finished();
  }
  noWork.dispose();
  gpu.destroy();
}

/** Dispatches pipelines with no workgroups, on small buffers of its own. */
class NoWork {
  readonly #device: Device;
  readonly #gpu: GPUDevice;
  readonly #buffers: GPUBuffer[];
  readonly #none: GPUBuffer;
  readonly #texture: GPUTexture;

  constructor(device: Device, gpu: GPUDevice) {
    this.#device = device;
    this.#gpu = gpu;
    const make = (usage: number): GPUBuffer => gpu.createBuffer({ label: 'no work', size: 256, usage });
    this.#buffers = Array.from({ length: device.traits.maxStorageBuffers }, () => make(GPUBufferUsage.STORAGE));
    const usage = GPUTextureUsage.STORAGE_BINDING;
    this.#texture = gpu.createTexture({ label: 'no work', size: [1, 1], format: 'rgba32float', usage });
    // Indirect: Dawn remarks on a literal count of 0.
    this.#none = make(GPUBufferUsage.INDIRECT);
  }

  async run(
    pipeline: GPUComputePipeline,
    layout: GPUBindGroupLayout,
    { bindings, immediateBytes }: CompiledShader,
  ): Promise<void> {
    const encoder = this.#gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    const entries = bindings.map(({ index, texture }, i) => ({
      binding: index,
      resource: texture ? this.#texture.createView() : { buffer: this.#buffers[i] },
    }));
    pass.setBindGroup(0, this.#gpu.createBindGroup({ layout, entries }));
    if (immediateBytes > 0) pass.setImmediates(0, new ArrayBuffer(immediateBytes));
    pass.dispatchWorkgroupsIndirect(this.#none, 0);
    pass.end();
    this.#gpu.queue.submit([encoder.finish()]);
    await this.#device.wait(this.#gpu.queue.onSubmittedWorkDone());
  }

  dispose(): void {
    for (const one of [...this.#buffers, this.#none, this.#texture]) one.destroy();
  }
}
