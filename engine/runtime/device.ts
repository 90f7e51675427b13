import type { DeviceTraits, Kernel } from '../../kernels/kernel.ts';
import { DeviceError, KernelError } from '../errors.ts';
import { platform } from '../platform.ts';
import {
  type Command,
  type HostEffect,
  HostScalar,
  type KernelCall,
  numericParams,
  type ParamValue,
  recordCall,
} from './commands.ts';
import { type Dispatch, type HostSlot, lowerCall, patchImmediates } from './lower.ts';
import { Memory, type MemorySnapshot, Storage } from './memory.ts';
import { lifetimes } from './plan.ts';
import { type ProfileEntry, Profiler } from './profiler.ts';
import { Shaders } from './shader.ts';
import { Tuner } from './tuner.ts';
import { Bench } from './tuning.ts';

const LIMITS = [
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupStorageSize',
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxImmediateSize',
] as const;

const FEATURES = [
  'subgroups',
  'shader-f16',
  'timestamp-query',
  'subgroup-size-control',
  'chromium-experimental-subgroup-matrix',
] as const;

/** The adapter in words, for logs, run folders and bench headers. */
export interface DeviceInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly software: boolean;
  readonly features: readonly string[];
}

/** Upload chunk: 1–4 MiB chunks reach 10–11 GB/s on lavapipe, one large call 1.6–7. */
const CHUNK = 2 * 2 ** 20;

/** Recorded eager commands are run when this many wait, so that memory of released tensors comes back. */
const FLUSH_AT = 256;

/**
 * A WebGPU device and everything that lives on it. Operations record commands; they run at the next `flush()` (which
 * every read does), or as a replayed program.
 */
export class Device {
  readonly gpu: GPUDevice;
  readonly info: DeviceInfo;
  readonly traits: DeviceTraits;
  readonly memory: Memory;
  readonly shaders: Shaders;
  readonly tuner: Tuner;
  readonly profiler: Profiler;
  /** Where commands go while a program is being traced. */
  trace: Command[] | undefined;
  profiling = false;
  #pending: Command[] = [];
  #flushing: Promise<void> = Promise.resolve();
  readonly #errors: Error[] = [];
  #lost: string | undefined;
  #closed = false;
  readonly #zeros: GPUBuffer;

  private constructor(adapter: GPUAdapter, gpu: GPUDevice, info: DeviceInfo, traits: DeviceTraits) {
    this.gpu = gpu;
    this.info = info;
    this.traits = traits;
    this.memory = new Memory(gpu, traits.software);
    this.shaders = new Shaders(gpu);
    this.tuner = new Tuner(traits, new Bench(this));
    this.profiler = new Profiler(gpu);
    if (Number(platform().env('DEBUG') ?? 0) >= 2 && adapter.features.has('timestamp-query')) {
      this.profiling = true;
      this.profiler.echo = true;
    }
    this.#zeros = gpu.createBuffer({ label: 'zeros', size: 256, usage: GPUBufferUsage.STORAGE });
    gpu.addEventListener('uncapturederror', (event) => {
      event.preventDefault();
      this.#errors.push(new KernelError(`The GPU refused a command: ${event.error.message}`));
    });
    void gpu.lost.then((reason) => {
      if (!this.#closed) this.#lost = reason.message || reason.reason;
    });
  }

  /** Opens the best adapter. Throws DeviceError, with the remedy, where there is none. */
  static async open(options: { powerPreference?: GPUPowerPreference } = {}): Promise<Device> {
    const gpu = await platform().gpu();
    const adapter = await gpu.requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' });
    if (!adapter) {
      throw new DeviceError('No WebGPU adapter was found.', {
        remedy:
          'Install a Vulkan driver (on Debian or Ubuntu, `npm start` as root installs a software one); `npx kindergrad doctor` says what is missing.',
      });
    }
    const features = FEATURES.filter((f) => adapter.features.has(f as GPUFeatureName));
    const requiredLimits: Record<string, number> = {};
    for (const name of LIMITS) {
      const value = (adapter.limits as unknown as Record<string, number | undefined>)[name];
      if (value !== undefined) requiredLimits[name] = value;
    }
    const device = await adapter.requestDevice({ requiredFeatures: features as GPUFeatureName[], requiredLimits });
    const { vendor, architecture, device: model, description } = adapter.info;
    const software =
      adapter.info.isFallbackAdapter ||
      /llvmpipe|swiftshader|software/i.test(`${architecture} ${model} ${description}`);
    const subgroups = features.includes('subgroups');
    const { subgroupMinSize, subgroupMaxSize } = adapter.info;
    return new Device(
      adapter,
      device,
      { vendor, architecture, device: model, description, software, features },
      {
        family: software && subgroups && subgroupMinSize === 8 && subgroupMaxSize === 8 ? 'lanes' : 'tiled',
        software,
        subgroups,
        subgroupMinSize,
        subgroupMaxSize,
        shaderF16: features.includes('shader-f16'),
        winograd: platform().env('WINOGRAD') !== '0',
        subgroupMatrix: features.includes('chromium-experimental-subgroup-matrix'),
        maxWorkgroupStorage: device.limits.maxComputeWorkgroupStorageSize,
        maxInvocations: device.limits.maxComputeInvocationsPerWorkgroup,
        maxStorageBuffers: device.limits.maxStorageBuffersPerShaderStage,
      },
    );
  }

  /** One line for humans, e.g. `llvmpipe (software Vulkan on the CPU)`. */
  get name(): string {
    const name = this.info.description || this.info.device || `${this.info.vendor} ${this.info.architecture}`;
    return this.info.software ? `${name} (software Vulkan on the CPU)` : name;
  }

  createStorage(bytes: number, label: string): Storage {
    return new Storage(this.memory, bytes, label);
  }

  /** Records one use of a kernel. Eagerly, host scalars are read at once; in a trace they stay alive. */
  run<B extends string, P extends string>(
    kernel: Kernel<B, P>,
    buffers: Partial<Record<B, Storage | undefined>>,
    params: Record<P, ParamValue>,
  ): void {
    const call = recordCall(kernel as unknown as Kernel, buffers as Record<string, Storage | undefined>, params);
    if (this.trace) this.trace.push(call);
    else this.#enqueue({ ...call, params: numericParams(call) });
  }

  /** Runs `effect` now, and again at every replay when a program is being traced. */
  effect(effect: () => void): void {
    if (this.trace) this.trace.push({ kind: 'effect', run: effect } satisfies HostEffect);
    else effect();
  }

  /** Copies host bytes into a storage, in order with the recorded commands. */
  upload(storage: Storage, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.trace) {
      throw new KernelError(
        `${storage.label} is filled from the host inside a program; a replay would not repeat that.`,
        {
          remedy: 'Create the tensor outside the step and write() to it before each run.',
        },
      );
    }
    this.check();
    storage.written = true;
    storage.version++;
    if (this.#pending.length === 0 && !this.#busy) this.#write(storage, bytes);
    else this.#enqueue({ kind: 'upload', storage, data: bytes.slice() });
  }

  /** Runs everything recorded so far. Does not wait for the GPU. */
  flush(): Promise<void> {
    if (this.trace)
      throw new KernelError('A program being traced cannot run commands or read tensors.', {
        remedy: 'Return the tensor from the step and read it after the run.',
      });
    if (this.#pending.length === 0 && !this.#busy) {
      this.check();
      this.memory.sweep();
      return Promise.resolve();
    }
    // An earlier failure was raised where it was awaited; later work goes on.
    this.#flushing = this.#flushing.catch(() => undefined).then(() => this.#runPending());
    return this.#flushing;
  }

  /** Runs everything recorded and waits until the GPU is done. */
  async sync(): Promise<void> {
    await this.flush();
    await this.wait(this.gpu.queue.onSubmittedWorkDone());
    await this.profiler.settle();
    this.check();
  }

  /** Reads bytes back; runs what is recorded first. The result is a fresh copy. */
  async read(storage: Storage, bytes: number): Promise<ArrayBuffer> {
    await this.flush();
    if (!storage.written || !storage.buffer) {
      throw new KernelError(`${storage.label} is read, but nothing has written it.`);
    }
    const size = Math.ceil(bytes / 4) * 4;
    const staging = this.gpu.createBuffer({
      size: Math.max(4, size),
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    const encoder = this.gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(storage.buffer, 0, staging, 0, size);
    this.gpu.queue.submit([encoder.finish()]);
    await this.wait(staging.mapAsync(GPUMapMode.READ));
    await this.profiler.settle();
    this.check();
    const copy = staging.getMappedRange().slice(0, bytes);
    staging.destroy();
    return copy;
  }

  /** Waits for a Dawn promise without burning a core: short turns at first, then sleeps of up to half a millisecond. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const watched = promise.finally(() => {
      settled = true;
    });
    watched.catch(() => undefined);
    for (let turn = 0; !settled; turn++) await platform().pause(turn < 4 ? 0 : turn < 14 ? 0.1 : 0.5);
    return watched;
  }

  snapshot(): MemorySnapshot {
    return this.memory.snapshot();
  }

  /** Times every dispatch of `work`; returns the entries in order. */
  async profile(work: () => Promise<void> | void): Promise<readonly ProfileEntry[]> {
    if (!this.info.features.includes('timestamp-query')) {
      throw new DeviceError('This adapter has no timestamp queries.', { remedy: 'Profile on another adapter.' });
    }
    await this.sync();
    const before = this.profiling;
    const from = this.profiler.entries.length;
    this.profiling = true;
    try {
      await work();
      await this.sync();
    } finally {
      this.profiling = before;
    }
    return this.profiler.entries.slice(from);
  }

  /** Throws what the GPU has reported since the last call, if anything. */
  check(): void {
    if (this.#lost !== undefined) {
      throw new DeviceError(`The GPU device was lost: ${this.#lost}.`, {
        remedy: 'Start the program again; a training run continues with --resume.',
      });
    }
    if (this.#closed) throw new DeviceError('The device is closed.', { remedy: 'Open a new one with openDevice().' });
    const error = this.#errors.shift();
    if (error) {
      const more = this.#errors.splice(0).length;
      throw more > 0 ? new KernelError(`${error.message} (and ${more} more)`) : error;
    }
  }

  /** Waits for the queue, then releases the device. */
  async close(): Promise<void> {
    if (this.#closed) return;
    await this.sync();
    this.#closed = true;
    this.gpu.destroy();
  }

  /** Lowers calls to dispatches, in order, with the host effects and scalars that go with them. */
  async lower(commands: readonly Command[]): Promise<{ dispatches: Dispatch[]; host: (HostEffect | HostSlot)[] }> {
    const host: (HostEffect | HostSlot)[] = [];
    const lowered = await Promise.all(
      commands.map(async (command) => {
        if (command.kind !== 'call') return { command, dispatches: [], slots: [] };
        const numbers: Record<string, number> = {};
        for (const [k, v] of Object.entries(command.params)) numbers[k] = v instanceof HostScalar ? Number.NaN : v;
        const choice = await this.tuner.choose(command, numbers);
        return { command, ...(await lowerCall(command, choice, this.shaders, this.memory)) };
      }),
    );
    for (const { command, slots } of lowered) {
      if (command.kind === 'effect') host.push(command);
      else host.push(...slots);
    }
    return { dispatches: lowered.flatMap((l) => l.dispatches), host };
  }

  createBindGroup(dispatch: Dispatch): GPUBindGroup {
    return this.gpu.createBindGroup({
      layout: dispatch.shader.layout,
      entries: dispatch.shader.bindings.map(({ index }, i) => {
        const storage = dispatch.storages[i];
        const resource = storage
          ? { buffer: this.memory.materialise(storage), offset: 0, size: storage.bytes }
          : { buffer: this.#zeros };
        return { binding: index, resource };
      }),
    });
  }

  /** Encodes and submits dispatches, in one pass, or one pass each when profiling. */
  submit(dispatches: readonly Dispatch[], bindGroup: (i: number) => GPUBindGroup): void {
    if (dispatches.length === 0) return;
    const encoder = this.gpu.createCommandEncoder();
    let before: GPUComputePipeline | undefined;
    const one = (pass: GPUComputePassEncoder, i: number): void => {
      const { shader, immediates, workgroups, dynamic } = dispatches[i];
      if (shader.pipeline !== before || this.profiling) pass.setPipeline(shader.pipeline);
      before = shader.pipeline;
      pass.setBindGroup(0, bindGroup(i));
      if (immediates) {
        if (dynamic.length > 0) patchImmediates(dispatches[i]);
        pass.setImmediates(0, immediates.buffer);
      }
      pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
    };
    if (this.profiling) {
      const collect = this.profiler.encode(encoder, dispatches, one);
      this.gpu.queue.submit([encoder.finish()]);
      collect();
      return;
    }
    const pass = encoder.beginComputePass();
    for (let i = 0; i < dispatches.length; i++) one(pass, i);
    pass.end();
    this.gpu.queue.submit([encoder.finish()]);
  }

  #busy = false;

  #enqueue(command: Command): void {
    this.#pending.push(command);
    if (this.#pending.length >= FLUSH_AT && !this.#busy) {
      // The error, if any, is raised by the next foreground call.
      this.flush().catch((error) => this.#errors.push(error as Error));
    }
  }

  #write(storage: Storage, bytes: Uint8Array<ArrayBuffer>): void {
    const buffer = this.memory.materialise(storage);
    const whole = bytes.byteLength - (bytes.byteLength % 4);
    for (let at = 0; at < whole; at += CHUNK) {
      this.gpu.queue.writeBuffer(buffer, at, bytes, at, Math.min(CHUNK, whole - at));
    }
    if (whole < bytes.byteLength) {
      const tail = new Uint8Array(4);
      tail.set(bytes.subarray(whole));
      this.gpu.queue.writeBuffer(buffer, whole, tail);
    }
  }

  async #runPending(): Promise<void> {
    this.#busy = true;
    try {
      while (this.#pending.length > 0) {
        const commands = this.#pending;
        this.#pending = [];
        await this.#execute(commands);
      }
      this.memory.sweep();
    } finally {
      this.#busy = false;
    }
    this.check();
  }

  async #execute(commands: readonly Command[]): Promise<void> {
    this.check();
    let from = 0;
    // Runs of calls between uploads.
    while (from < commands.length) {
      const command = commands[from];
      if (command.kind === 'upload') {
        this.#write(command.storage, command.data);
        from++;
        continue;
      }
      let to = from;
      while (to < commands.length && commands[to].kind !== 'upload') to++;
      const calls = commands.slice(from, to) as KernelCall[];
      const { dispatches } = await this.lower(calls);
      const last = lifetimes(dispatches);
      const laterUse = new Set<Storage>();
      for (const later of commands.slice(to)) {
        if (later.kind === 'call') for (const s of Object.values(later.buffers)) laterUse.add(s);
        else if (later.kind === 'upload') laterUse.add(later.storage);
      }
      for (const waiting of this.#pending) {
        if (waiting.kind === 'call') for (const s of Object.values(waiting.buffers)) laterUse.add(s);
      }
      const groups = dispatches.map((dispatch, i) => {
        const group = this.createBindGroup(dispatch);
        for (const storage of dispatch.storages) {
          if (!storage?.buffer || storage.references > 0 || laterUse.has(storage)) continue;
          if (last.get(storage)?.last !== i) continue;
          this.memory.recycle(storage.buffer);
          storage.buffer = undefined;
        }
        return group;
      });
      this.submit(dispatches, (i) => groups[i]);
      from = to;
    }
  }
}
