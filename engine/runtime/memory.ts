import { DeviceError } from '../errors.ts';
import { platform } from '../platform.ts';

/** Bytes of `n`, rounded up so that a vec4 load at the tail stays inside. */
export const padded = (bytes: number): number => Math.max(16, Math.ceil(bytes / 16) * 16);

/** Bytes in words, in units of 1024: `3.8 MiB`. */
export const formatBytes = (bytes: number): string => {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
  if (bytes >= 2 ** 20) return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return `${(bytes / 2 ** 10).toFixed(1)} KiB`;
};

/**
 * What stands behind a tensor: some bytes on the GPU, which may not have a buffer yet. Recording an operation creates
 * storages; running the recorded commands gives them buffers. Views share a storage and count references.
 */
export class Storage {
  readonly bytes: number;
  label: string;
  buffer: GPUBuffer | undefined;
  /** Where in the buffer it begins; other than 0 only for the temporaries of a program. */
  offset = 0;
  references = 1;
  /** Set by the first command that writes it; reading before is a bug that the engine reports. */
  written = false;
  /** Counts writes: uploads, recorded commands, replays. */
  version = 0;
  /** Changes seldom (a parameter): programs keep what they derive from it alone until its version moves. */
  stable = false;
  readonly #memory: Memory;

  constructor(memory: Memory, bytes: number, label: string) {
    this.#memory = memory;
    this.bytes = padded(bytes);
    this.label = label;
    memory.checkLimit(this);
    memory.live.add(this);
  }

  retain(): this {
    this.references++;
    return this;
  }

  release(): void {
    if (--this.references === 0) this.#memory.bury(this);
  }
}

/** A picture of GPU memory, in bytes. */
export interface MemorySnapshot {
  /** Held by tensors and programs. */
  readonly bytesInUse: number;
  /** Held by the pool, free for reuse. */
  readonly bytesPooled: number;
  /** Highest sum of the two since the last `resetPeak()`. */
  readonly peakBytes: number;
  /** Buffers and textures created since the device was opened; constant once training steps are replayed. */
  readonly buffersCreated: number;
  readonly tensors: number;
  readonly largest: readonly { readonly label: string; readonly bytes: number }[];
}

/**
 * Buffers by size. Whole buffers are reused, never parts: WebGPU refuses one buffer bound for reading and writing in
 * one dispatch, even at disjoint ranges. (Programs, which know all their dispatches, place parts: plan.ts.)
 */
export class Memory {
  readonly live = new Set<Storage>();
  /** Released while commands that use them may still be waiting to run; emptied by the next flush. */
  readonly graveyard: Storage[] = [];
  /** Called before pooled buffers are destroyed: who has encoded nothing yet but bound some must submit first. */
  beforeTrim: (() => void) | undefined;
  readonly #device: GPUDevice;
  readonly #free = new Map<number, GPUBuffer[]>();
  #sizes: number[] = [];
  readonly largestBuffer: number;
  readonly #maxBinding: number;
  readonly #budget: number | undefined;
  #inUse = 0;
  #pooled = 0;
  #peak = 0;
  #created = 0;

  constructor(device: GPUDevice, software: boolean) {
    this.#device = device;
    this.#maxBinding = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
    this.largestBuffer = device.limits.maxBufferSize;
    // A software adapter never reports out of memory: pages are taken lazily until the system kills the process.
    const asked = Number(platform().env('KINDERGRAD_MEMORY_MB') ?? Number.NaN);
    this.#budget = Number.isFinite(asked) ? asked * 2 ** 20 : software ? platform().memoryBudget() : undefined;
  }

  checkLimit(storage: Storage): void {
    if (storage.bytes > this.#maxBinding) {
      throw new DeviceError(
        `Tensor ${storage.label} needs ${formatBytes(storage.bytes)}, above this adapter's largest binding of ${formatBytes(this.#maxBinding)}.`,
        { remedy: 'Use a smaller batch (with gradient accumulation the result is the same) or a smaller picture.' },
      );
    }
  }

  /** Gives `storage` a buffer, reused when one of at most twice the size is free. */
  materialise(storage: Storage): GPUBuffer {
    storage.buffer ??= this.acquire(storage.bytes, storage.label);
    return storage.buffer;
  }

  acquire(bytes: number, label: string): GPUBuffer {
    const size = this.#sizes.find((candidate) => candidate >= bytes && candidate <= bytes * 2);
    const reused = size === undefined ? undefined : this.#take(size);
    if (reused) {
      this.#pooled -= reused.size;
      this.#inUse += reused.size;
      return reused;
    }
    return this.create(bytes, label);
  }

  create(bytes: number, label: string): GPUBuffer {
    this.#makeRoom(bytes, label);
    const buffer = this.#device.createBuffer({
      label,
      size: bytes,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    this.#count(bytes);
    return buffer;
  }

  /** A texture that kernels read vec4 from; `bytes` are its numbers'. */
  createTexture([width, height]: readonly [number, number], bytes: number): GPUTexture {
    this.#makeRoom(bytes, 'texture');
    const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST;
    const texture = this.#device.createTexture({ size: [width, height], format: 'rgba32float', usage });
    this.#count(bytes);
    return texture;
  }

  /** Work that was submitted with it still finds it. */
  destroyTexture(texture: GPUTexture, bytes: number): void {
    texture.destroy();
    this.#inUse -= bytes;
  }

  /** Returns a buffer to the pool. The queue runs in order, so the next user may already be recorded. */
  recycle(buffer: GPUBuffer): void {
    this.#inUse -= buffer.size;
    this.#pooled += buffer.size;
    const list = this.#free.get(buffer.size);
    if (list) list.push(buffer);
    else {
      this.#free.set(buffer.size, [buffer]);
      this.#sizes = [...this.#free.keys()].sort((a, b) => a - b);
    }
  }

  /** Destroys a buffer of a program: its size is one of a kind, so that nothing else would take it from the pool. */
  discard(buffer: GPUBuffer): void {
    this.#inUse -= buffer.size;
    buffer.destroy();
  }

  /** Called by the last `release()` of a storage. */
  bury(storage: Storage): void {
    this.live.delete(storage);
    this.graveyard.push(storage);
  }

  /** Recycles the buffers of everything released; only right when no recorded command still waits to run. */
  sweep(): void {
    for (const storage of this.graveyard) {
      if (storage.buffer) this.recycle(storage.buffer);
      storage.buffer = undefined;
    }
    this.graveyard.length = 0;
  }

  /** Destroys pooled buffers. What was submitted still finds them. */
  trim(): void {
    this.beforeTrim?.();
    for (const list of this.#free.values()) for (const buffer of list) buffer.destroy();
    this.#free.clear();
    this.#sizes = [];
    this.#pooled = 0;
  }

  snapshot(): MemorySnapshot {
    return {
      bytesInUse: this.#inUse,
      bytesPooled: this.#pooled,
      peakBytes: this.#peak,
      buffersCreated: this.#created,
      tensors: this.live.size,
      largest: this.#largest(),
    };
  }

  resetPeak(): void {
    this.#peak = this.#inUse + this.#pooled;
  }

  #makeRoom(bytes: number, label: string): void {
    if (this.#budget === undefined || this.#inUse + this.#pooled + bytes <= this.#budget) return;
    this.trim();
    if (this.#inUse + bytes > this.#budget) throw this.#outOfMemory(bytes, label);
  }

  #count(bytes: number): void {
    this.#created++;
    this.#inUse += bytes;
    this.#peak = Math.max(this.#peak, this.#inUse + this.#pooled);
  }

  #take(size: number): GPUBuffer | undefined {
    const list = this.#free.get(size);
    const buffer = list?.pop();
    if (list && list.length === 0) {
      this.#free.delete(size);
      this.#sizes = this.#sizes.filter((s) => s !== size);
    }
    return buffer;
  }

  #largest(): { label: string; bytes: number }[] {
    return [...this.live]
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, 10)
      .map(({ label, bytes }) => ({ label, bytes }));
  }

  #outOfMemory(bytes: number, label: string): DeviceError {
    const largest = this.#largest()
      .slice(0, 5)
      .map((t) => `${t.label} ${formatBytes(t.bytes)}`)
      .join(', ');
    return new DeviceError(
      `Out of memory: tensor ${label} needs ${formatBytes(bytes)}; ${formatBytes(this.#inUse)} of ${formatBytes(this.#budget ?? 0)} are in use. Largest tensors: ${largest}.`,
      { remedy: 'Use a smaller batch with gradient accumulation, or set KINDERGRAD_MEMORY_MB if more may be taken.' },
    );
  }
}
