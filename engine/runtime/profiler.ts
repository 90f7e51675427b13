import { platform } from '../platform.ts';
import type { Dispatch } from './lower.ts';
import type { BoundDispatch } from './submit.ts';
import { encodeCopy } from './texture-copies.ts';

/** One timed dispatch. */
export interface ProfileEntry {
  readonly kernel: string;
  readonly variant: string;
  readonly params: Readonly<Record<string, number>>;
  readonly nanoseconds: number;
  readonly flops: number;
  readonly bytes: number;
}

/** Times each dispatch in a pass of its own by GPU timestamps (unquantised: engine/node.ts sets Dawn's toggle). */
export class Profiler {
  readonly entries: ProfileEntry[] = [];
  readonly #device: GPUDevice;
  readonly #pending: Promise<void>[] = [];
  /** Prints each kernel as it is read back (DEBUG=2). */
  echo = false;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Encodes the dispatches with timestamps; call `collect()` after the submit. */
  encode(
    encoder: GPUCommandEncoder,
    dispatches: readonly BoundDispatch[],
    one: (pass: GPUComputePassEncoder, bound: BoundDispatch) => void,
  ): () => void {
    const chunks: { query: GPUQuerySet; resolve: GPUBuffer; staging: GPUBuffer; from: number; count: number }[] = [];
    // A query set holds at most 4096 timestamps.
    for (let from = 0; from < dispatches.length; from += 2048) {
      const count = Math.min(2048, dispatches.length - from);
      const query = this.#device.createQuerySet({ type: 'timestamp', count: 2 * count });
      const resolve = this.#device.createBuffer({
        size: 16 * count,
        usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
      });
      const staging = this.#device.createBuffer({
        size: 16 * count,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
      for (let i = 0; i < count; i++) {
        const bound = dispatches[from + i];
        const begin = { querySet: query, beginningOfPassWriteIndex: 2 * i };
        const end = { querySet: query, endOfPassWriteIndex: 2 * i + 1 };
        // Its copies are part of what a dispatch takes: the clock starts with a pass before them.
        if (bound.copies) encoder.beginComputePass({ timestampWrites: begin }).end();
        for (const copy of bound.copies ?? []) encodeCopy(encoder, copy);
        const pass = encoder.beginComputePass({
          timestampWrites: bound.copies ? end : { ...begin, ...end },
        });
        one(pass, bound);
        pass.end();
      }
      encoder.resolveQuerySet(query, 0, 2 * count, resolve, 0);
      encoder.copyBufferToBuffer(resolve, 0, staging, 0, 16 * count);
      chunks.push({ query, resolve, staging, from, count });
    }
    return () => {
      for (const { query, resolve, staging, from, count } of chunks) {
        this.#pending.push(
          staging.mapAsync(GPUMapMode.READ).then(() => {
            const times = new BigUint64Array(staging.getMappedRange().slice(0));
            staging.destroy();
            resolve.destroy();
            query.destroy();
            for (let i = 0; i < count; i++)
              this.#add(dispatches[from + i].dispatch, Number(times[2 * i + 1] - times[2 * i]));
          }),
        );
      }
    };
  }

  async settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }

  #add(dispatch: Dispatch, nanoseconds: number): void {
    const entry: ProfileEntry = {
      kernel: dispatch.kernel.name,
      variant: dispatch.variant,
      params: dispatch.params,
      nanoseconds,
      ...dispatch.cost,
    };
    this.entries.push(entry);
    if (this.echo) platform().log(formatEntry(this.entries.length, entry));
  }
}

/** An entry as `DEBUG=2` prints it: number, kernel, time, GFLOP/s, GB/s, parameters. */
export function formatEntry(number: number, entry: ProfileEntry): string {
  const { kernel, variant, params, nanoseconds, flops, bytes } = entry;
  const shape = Object.entries(params)
    .map(([name, value]) => `${name}=${Number.isInteger(value) ? value : value.toPrecision(4)}`)
    .join(' ');
  const rate = (amount: number): string => (nanoseconds > 0 ? (amount / nanoseconds).toFixed(2) : '–').padStart(8);
  return `${String(number).padStart(5)}  ${`${kernel}/${variant}`.padEnd(32)} ${(nanoseconds / 1e3).toFixed(1).padStart(10)} µs ${rate(flops)} GFLOP/s ${rate(bytes)} GB/s  ${shape}`;
}
