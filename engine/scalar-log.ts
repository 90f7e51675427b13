import { MAX_RECORDED, recordKernel } from '../kernels/log/record.ts';
import { ConfigError, ShapeError } from './errors.ts';
import { zeros } from './ops/fill.ts';
import { HostScalar } from './runtime/commands.ts';
import type { Device } from './runtime/device.ts';
import { currentDevice, type Tensor } from './tensor.ts';

/** One recorded step: a value for each name. */
export type LoggedRow<N extends string> = { readonly [K in N]: number };

/**
 * Losses and counters that a step leaves on the GPU and the host fetches now and then, so that no step waits:
 * `record()` inside the step, `take()` every few steps. Holds `capacity` steps between two takes.
 */
export class ScalarLog<N extends string> {
  readonly names: readonly N[];
  readonly capacity: number;
  readonly #log: Tensor;
  #recorded = 0;
  #taken = 0;

  constructor(names: readonly N[], options: { capacity?: number; device?: Device } = {}) {
    const { capacity = 1024, device = currentDevice() } = options;
    if (names.length === 0 || names.length > MAX_RECORDED) {
      throw new ConfigError(`A ScalarLog holds 1 to ${MAX_RECORDED} scalars a step; ${names.length} were named.`);
    }
    this.names = names;
    this.capacity = capacity;
    this.#log = zeros([capacity, names.length], { device, label: 'scalar log' }).keep();
  }

  /** Steps recorded so far. */
  get recorded(): number {
    return this.#recorded;
  }

  /** Appends a row. Called once per step, eagerly or inside a program. */
  record(values: { readonly [K in N]: Tensor }): void {
    const buffers: Record<string, Tensor['storage']> = { log: this.#log.storage };
    for (const [i, name] of this.names.entries()) {
      const value = values[name];
      if (value.size !== 1) throw new ShapeError(`ScalarLog: ${name} is ${value.label}, not one number.`);
      buffers[`v${i}`] = value.storage;
    }
    const { device } = this.#log;
    device.run(recordKernel, buffers, {
      slot: new HostScalar(() => this.#recorded % this.capacity),
      width: this.names.length,
    });
    device.effect(() => {
      this.#recorded++;
    });
  }

  /** The rows recorded since the last take. Submits at once and resolves when the GPU is there. */
  async take(): Promise<LoggedRow<N>[]> {
    const from = this.#taken;
    const to = this.#recorded;
    if (to - from > this.capacity) {
      throw new ConfigError(
        `ScalarLog: ${to - from} steps were recorded since the last take; it holds ${this.capacity}.`,
        {
          remedy: 'Take more often, or give it a larger capacity.',
        },
      );
    }
    this.#taken = to;
    if (to === from) return [];
    const values = await this.#log.floats();
    const width = this.names.length;
    return Array.from({ length: to - from }, (_, i) => {
      const row = ((from + i) % this.capacity) * width;
      return Object.fromEntries(this.names.map((name, j) => [name, values[row + j]])) as LoggedRow<N>;
    });
  }

  /** Forgets the rows not yet taken (resuming a run). */
  clear(): void {
    this.#taken = this.#recorded;
  }

  dispose(): void {
    this.#log.dispose();
  }
}
