import type { DeviceTraits, Kernel } from '../../kernels/kernel.ts';
import { DeviceError, KernelError } from '../errors.ts';
import { platform } from '../platform.ts';
import { type DeviceInfo, type OpenedAdapter, openAdapter } from './adapter.ts';
import { type Command, type HostEffect, HostScalar, numericParams, type ParamValue, recordCall } from './commands.ts';
import { EagerQueue } from './eager.ts';
import { Faults } from './faults.ts';
import { type Dispatch, type HostSlot, lowerCall } from './lower.ts';
import { Memory, type MemorySnapshot, Storage } from './memory.ts';
import { Pace, pauseAt } from './pace.ts';
import { type ProfileEntry, Profiler } from './profiler.ts';
import { Shaders } from './shader.ts';
import { type BoundDispatch, boundDispatch, submit } from './submit.ts';
import { type Staged, TextureCopies, textureCopy } from './texture-copies.ts';
import { Readback, writeBytes } from './transfer.ts';
import { Tuner } from './tuner.ts';
import { Bench } from './tuning.ts';

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
  readonly faults: Faults;
  /** Where commands go while a program is being traced. */
  trace: Command[] | undefined;
  profiling = false;
  readonly #eager = new EagerQueue(this);
  readonly #readback: Readback;
  readonly #pace = new Pace();
  readonly #zeros: GPUBuffer;
  /** For what runs outside programs. */
  readonly #textures: TextureCopies;

  private constructor({ gpu, info, traits }: OpenedAdapter) {
    this.gpu = gpu;
    this.info = info;
    this.traits = traits;
    this.faults = new Faults(gpu);
    this.memory = new Memory(gpu, traits.software);
    this.shaders = new Shaders(gpu);
    this.tuner = new Tuner(traits, new Bench(this));
    this.profiler = new Profiler(gpu);
    this.#readback = new Readback(gpu);
    if (Number(platform().env('DEBUG') ?? 0) >= 2 && info.features.includes('timestamp-query')) {
      this.profiling = true;
      this.profiler.echo = true;
    }
    this.#textures = new TextureCopies(this.memory);
    this.#zeros = gpu.createBuffer({ label: 'zeros', size: 256, usage: GPUBufferUsage.STORAGE });
  }

  /** Opens the best adapter. Throws DeviceError, with the remedy, where there is none. */
  static async open(options: { powerPreference?: GPUPowerPreference } = {}): Promise<Device> {
    return new Device(await openAdapter(options.powerPreference));
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
    else this.#eager.push({ ...call, params: numericParams(call) });
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
    if (this.#eager.idle) this.write(storage, bytes);
    else this.#eager.push({ kind: 'upload', storage, data: bytes.slice() });
  }

  /** The upload itself. */
  write(storage: Storage, bytes: Uint8Array<ArrayBuffer>): void {
    writeBytes(this.gpu.queue, this.memory.materialise(storage), bytes);
  }

  /** Runs `work` at once, or where commands wait, after them and before those recorded later. */
  inOrder(work: () => void): void {
    this.#refuseInTrace();
    if (!this.#eager.idle) {
      this.#eager.push({ kind: 'work', run: work });
      return;
    }
    this.check();
    work();
  }

  #refuseInTrace(): void {
    if (this.trace)
      throw new KernelError('A program being traced cannot run commands or read tensors.', {
        remedy: 'Return the tensor from the step and read it after the run.',
      });
  }

  /** Runs everything recorded so far. Does not wait for the GPU. */
  flush(): Promise<void> {
    this.#refuseInTrace();
    if (!this.#eager.idle) return this.#eager.flush();
    this.check();
    this.memory.sweep();
    return Promise.resolve();
  }

  /** Runs everything recorded and waits until the GPU is done. */
  async sync(): Promise<void> {
    await this.flush();
    await this.#waitForQueue(this.gpu.queue.onSubmittedWorkDone());
    await this.profiler.settle();
    this.check();
  }

  /** Fills `into` with a storage's bytes; runs what is recorded first. */
  async read(storage: Storage, into: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.flush();
    if (!storage.written || !storage.buffer) {
      throw new KernelError(`${storage.label} is read, but nothing has written it.`);
    }
    await this.#readback.read(storage.buffer, into, (mapped) => this.#waitForQueue(mapped));
    await this.profiler.settle();
    this.check();
  }

  /** Waits for a Dawn promise without burning a core, as the event loop otherwise does while there is one. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    await this.#turns(promise, undefined);
    return promise;
  }

  /** The same, of a promise that is kept when all that is submitted so far is done. */
  async #waitForQueue<T>(promise: Promise<T>): Promise<T> {
    const { submissions, due } = this.#pace;
    const turns = await this.#turns(promise, due);
    this.#pace.done(submissions, performance.now(), turns > 1);
    return promise;
  }

  /** Turns of the event loop until the promise is settled, or throws what it does. */
  async #turns(promise: Promise<unknown>, due: number | undefined): Promise<number> {
    let settled = false;
    const watched = promise.finally(() => {
      settled = true;
    });
    watched.catch(() => undefined);
    const begun = performance.now();
    let turn = 0;
    for (; !settled; turn++) {
      await platform().pause(pauseAt(performance.now(), begun, due, turn, this.traits.software));
    }
    await watched;
    return turn;
  }

  snapshot(): MemorySnapshot {
    return this.memory.snapshot();
  }

  /** Times every dispatch of `work`, which may be asynchronous; returns the entries in order. */
  async profile(work: () => unknown): Promise<readonly ProfileEntry[]> {
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
    return this.profiler.entries.splice(from);
  }

  /** Throws what the GPU has reported since the last call, if anything. */
  check(): void {
    this.faults.check();
  }

  /** Waits for the queue, then releases the device. */
  async close(): Promise<void> {
    if (this.faults.closed) return;
    await this.sync();
    this.faults.close();
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

  /** Dispatches with their places in the textures that everything outside programs shares. */
  stage(dispatches: readonly Dispatch[]): Staged[] {
    this.#textures.reserve(dispatches);
    return this.#textures.stage(dispatches);
  }

  /** Gives a dispatch its buffers and textures. */
  bind({ dispatch, textures, copies }: Staged): BoundDispatch {
    const entries = dispatch.shader.bindings.map(({ index }, i): GPUBindGroupEntry => {
      const [storage, texture] = [dispatch.storages[i], textures[i]];
      if (texture) return { binding: index, resource: texture.createView() };
      if (!storage) return { binding: index, resource: { buffer: this.#zeros } };
      const { offset, bytes } = storage;
      return { binding: index, resource: { buffer: this.memory.materialise(storage), offset, size: bytes } };
    });
    const bindGroup = this.gpu.createBindGroup({ layout: dispatch.shader.layout, entries });
    const calls = copies.map(({ storage, offset, size, texture }) =>
      textureCopy(this.memory.materialise(storage), storage.offset + offset, size, texture),
    );
    return boundDispatch(dispatch, bindGroup, calls);
  }

  /** Encodes and submits dispatches, in one pass, or one pass each when profiling. */
  submit(bound: readonly BoundDispatch[]): void {
    submit(this.gpu, bound, this.profiling ? this.profiler : undefined);
    if (bound.length > 0) this.#pace.submitted(bound, performance.now());
  }
}
