/** Upload chunk: 1–4 MiB chunks reach 10–11 GB/s on lavapipe, one large call 1.6–7. */
const CHUNK = 2 * 2 ** 20;

/** Copies host bytes to the start of a buffer, in order with what was submitted before. */
export function writeBytes(queue: GPUQueue, buffer: GPUBuffer, bytes: Uint8Array<ArrayBuffer>): void {
  const whole = bytes.byteLength - (bytes.byteLength % 4);
  for (let at = 0; at < whole; at += CHUNK) {
    queue.writeBuffer(buffer, at, bytes, at, Math.min(CHUNK, whole - at));
  }
  if (whole < bytes.byteLength) {
    const tail = new Uint8Array(4);
    tail.set(bytes.subarray(whole));
    queue.writeBuffer(buffer, whole, tail);
  }
}

/** Staging buffers kept for the next read, in bytes together: fresh ones cost a page fault for every 4 KiB. */
const KEPT = 64 * 2 ** 20;

/** Copies buffers back to the host through staging buffers that are used again. */
export class Readback {
  readonly #gpu: GPUDevice;
  #free: GPUBuffer[] = [];

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** Fills `into` from the start of a buffer; `wait` is given the promise that the device is there. */
  async read(
    buffer: GPUBuffer,
    into: Uint8Array<ArrayBuffer>,
    wait: (mapped: Promise<undefined>) => Promise<undefined>,
  ): Promise<void> {
    const size = Math.max(4, Math.ceil(into.byteLength / 4) * 4);
    const staging = this.#take(size);
    const encoder = this.#gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
    this.#gpu.queue.submit([encoder.finish()]);
    await wait(staging.mapAsync(GPUMapMode.READ, 0, size));
    into.set(new Uint8Array(staging.getMappedRange(0, size), 0, into.byteLength));
    staging.unmap();
    this.#free.push(staging);
    for (let kept = this.#free.reduce((sum, b) => sum + b.size, 0); kept > KEPT; ) {
      const oldest = this.#free.shift();
      kept -= oldest?.size ?? 0;
      oldest?.destroy();
    }
  }

  /** The smallest free one that holds `size`, if not much too large. */
  #take(size: number): GPUBuffer {
    const found = this.#free
      .filter((b) => b.size >= size && b.size <= Math.max(4 * size, 2 ** 16))
      .reduce<GPUBuffer | undefined>((best, b) => (best && best.size <= b.size ? best : b), undefined);
    if (!found) {
      return this.#gpu.createBuffer({ label: 'read', size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    }
    this.#free = this.#free.filter((b) => b !== found);
    return found;
  }
}
