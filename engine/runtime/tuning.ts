import type { Constants } from '../../kernels/kernel.ts';
import { platform } from '../platform.ts';
import { Generator } from '../random.ts';
import { type KernelCall, writes } from './commands.ts';
import type { Device } from './device.ts';
import { lowerCall } from './lower.ts';
import { Storage } from './memory.ts';
import type { Choice } from './tuner.ts';

type Params = Readonly<Record<string, number>>;

export interface Measured {
  readonly choice: Choice;
  /** The least of the rounds, since other work only ever adds; Infinity for a rung that failed the correctness gate. */
  readonly nanoseconds: number;
}

const nameOf = ({ variant, tile }: Choice): string => [variant.name, ...Object.values(tile)].join('-');

/** FNV-1a over 32 bits: enough to notice that a kernel's text has changed. */
export function hash(text: string): string {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return (h >>> 0).toString(16).padStart(8, '0');
}

const WARM_UP_MS = 200;

const ROUNDS = 5;

/** A rung is given up after so many rounds, not after one: it may be the machine that was slow in that. */
const FEWEST_ROUNDS = 2;

/** Runs the rungs of a ladder against each other on random inputs of a call's own sizes. */
export class Bench {
  readonly #device: Device;
  /** Random inputs by seed, repeated over a buffer. */
  readonly #blocks: Float32Array<ArrayBuffer>[] = [];

  constructor(device: Device) {
    this.#device = device;
  }

  /** What a measurement is good for: this adapter with this driver. */
  get adapter(): string {
    const { vendor, architecture, device, description } = this.#device.info;
    return [vendor, architecture, device, description].join(' ');
  }

  /** A hash of the final text of every pass: a measurement of another text is worthless. */
  async sourceHash({ variant, tile, traits }: Choice, params: Params): Promise<string> {
    const passes = variant.passes(params, tile, traits);
    const texts = await Promise.all(passes.map((p) => this.#device.shaders.text(p.source, p.constants)));
    return hash(texts.join('\n'));
  }

  /**
   * Times `candidates` in turns, after a correctness gate: each must agree with `truth` to 1e-3 of the largest value (NaN
   * fails). A rung that is twice as slow as the best so far is timed twice only.
   */
  async race(call: KernelCall, params: Params, truth: Choice, candidates: readonly Choice[]): Promise<Measured[]> {
    const buffers: Record<string, Storage> = {};
    for (const [i, [name, storage]] of Object.entries(call.buffers).entries()) {
      const own = new Storage(this.#device.memory, storage.bytes, `tuning ${name}`);
      own.written = true;
      buffers[name] = own;
      this.#fill(own, i);
    }
    const outputs = Object.entries(call.kernel.bindings).filter(([, access]) => writes(access));
    const trial: KernelCall = { kind: 'call', kernel: call.kernel, buffers, params };
    try {
      await this.#time(trial, truth);
      const expected = await this.#read(outputs.map(([name]) => buffers[name]));
      const entries: { choice: Choice; times: number[] }[] = [];
      for (const choice of candidates) {
        await this.#time(trial, choice); // compiles
        const right = agrees(await this.#read(outputs.map(([name]) => buffers[name])), expected);
        if (!right)
          platform().log(
            `tuning: ${call.kernel.name}/${nameOf(choice)} disagrees with ${truth.variant.name}; not used`,
          );
        entries.push({ choice, times: right ? [] : [Number.POSITIVE_INFINITY] });
      }
      // A GPU has lowered its clocks while the candidates were compiled.
      const { software } = this.#device.traits;
      for (const start = performance.now(); !software && performance.now() - start < WARM_UP_MS; ) {
        await this.#time(trial, truth);
      }
      let best = Number.POSITIVE_INFINITY;
      for (let round = 0; round < ROUNDS; round++) {
        for (const { choice, times } of entries) {
          if (times[0] === Number.POSITIVE_INFINITY) continue;
          if (times.length >= FEWEST_ROUNDS && Math.min(...times) > 2 * best) continue;
          const time = await this.#time(trial, choice);
          times.push(time);
          best = Math.min(best, time);
        }
      }
      return entries.map(({ choice, times }) => ({ choice, nanoseconds: Math.min(...times) }));
    } finally {
      for (const storage of Object.values(buffers)) {
        this.#giveBack(storage);
        storage.release();
      }
    }
  }

  /** Runs one rung; nanoseconds by GPU timestamps, or by the clock where there are none. */
  async #time(call: KernelCall, choice: Choice): Promise<number> {
    const device = this.#device;
    const { dispatches } = await lowerCall(call, choice, device.shaders, device.memory);
    const bound = device.stage(dispatches).map((one) => device.bind(one));
    const { profiling } = device;
    const stamps = device.info.features.includes('timestamp-query');
    const from = device.profiler.entries.length;
    device.profiling = stamps;
    const start = performance.now();
    device.submit(bound);
    await device.wait(device.gpu.queue.onSubmittedWorkDone());
    const wall = performance.now() - start;
    await device.profiler.settle();
    device.profiling = profiling;
    const entries = device.profiler.entries.splice(from);
    for (const dispatch of dispatches) {
      for (const storage of dispatch.storages) {
        if (storage?.references === 0) this.#giveBack(storage);
      }
    }
    return stamps ? entries.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0) : wall * 1e6;
  }

  /** At once, not by a sweep: commands recorded before this measurement may still need what else has been released. */
  #giveBack(storage: Storage): void {
    if (storage.buffer) this.#device.memory.recycle(storage.buffer);
    storage.buffer = undefined;
  }

  async #read(storages: readonly Storage[]): Promise<Float32Array[]> {
    const results: Float32Array[] = [];
    for (const storage of storages) {
      const buffer = this.#device.memory.materialise(storage);
      const staging = this.#device.gpu.createBuffer({
        size: storage.bytes,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
      const encoder = this.#device.gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, staging, 0, storage.bytes);
      this.#device.gpu.queue.submit([encoder.finish()]);
      await this.#device.wait(staging.mapAsync(GPUMapMode.READ));
      results.push(new Float32Array(staging.getMappedRange().slice(0)));
      staging.destroy();
    }
    return results;
  }

  /**
   * Uniform on (−½, ½), other numbers for every buffer: sums of their products grow as the training's do. With a smooth
   * pattern they cancelled, and what was left of a weight gradient over 320 000 positions was mostly rounding.
   */
  #fill(storage: Storage, seed: number): void {
    this.#blocks[seed] ??= new Generator(seed).uniform(2 ** 18, -0.5, 0.5);
    const block = this.#blocks[seed];
    const buffer = this.#device.memory.materialise(storage);
    for (let at = 0; at < storage.bytes; at += block.byteLength) {
      this.#device.gpu.queue.writeBuffer(buffer, at, block, 0, Math.min(block.byteLength, storage.bytes - at) / 4);
    }
  }
}

/** Same to 1e-3 of the largest expected value; NaN never is. The last vec4 may be padding, where anything may stand. */
function agrees(found: readonly Float32Array[], expected: readonly Float32Array[]): boolean {
  return found.every((values, o) => {
    const largest = expected[o].reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    return values.every((v, i) => i >= values.length - 3 || Math.abs(v - expected[o][i]) <= 1e-3 * largest);
  });
}

interface Entry {
  readonly variant: string;
  readonly tile: Constants;
  readonly source: string;
  readonly microseconds: Readonly<Record<string, number>>;
}

/** What was measured on one adapter, kept in the platform's cache from process to process. */
export class TuningTable {
  readonly log: string[] = [];
  readonly #file: string;
  #entries: Promise<Map<string, Entry>> | undefined;

  constructor(adapter: string) {
    this.#file = `tuning-${hash(adapter)}.json`;
  }

  /** The kept choice, unless the rung is gone or its text has changed. */
  async find(key: string, rungs: readonly Choice[], params: Params, bench: Bench): Promise<Choice | undefined> {
    const entry = (await this.#load()).get(key);
    if (!entry) return undefined;
    const tile = JSON.stringify(entry.tile);
    const rung = rungs.find((r) => r.variant.name === entry.variant && JSON.stringify(r.tile) === tile);
    return rung && (await bench.sourceHash(rung, params)) === entry.source ? rung : undefined;
  }

  /** As measured and kept; undefined where it was not. */
  async microseconds(key: string, choice: Choice): Promise<number | undefined> {
    return (await this.#load()).get(key)?.microseconds[nameOf(choice)];
  }

  async keep(key: string, choice: Choice, params: Params, measured: readonly Measured[], bench: Bench): Promise<void> {
    const entries = await this.#load();
    const microseconds: Record<string, number> = {};
    for (const { choice: rung, nanoseconds } of measured) {
      if (Number.isFinite(nanoseconds)) microseconds[nameOf(rung)] = Math.round(nanoseconds / 100) / 10;
    }
    const source = await bench.sourceHash(choice, params);
    entries.set(key, { variant: choice.variant.name, tile: choice.tile, source, microseconds });
    const shape = Object.entries(params).filter(([, value]) => value > 1);
    const times = Object.entries(microseconds).map(([name, time]) => `${name} ${time}`);
    this.log.push(
      `${key.split(' ')[0]} ${shape.map(([name, value]) => `${name}=${value}`).join(' ')}: ${nameOf(choice)} (µs: ${times.join(', ')})`,
    );
    const text = JSON.stringify(Object.fromEntries(entries), null, 1);
    await platform()
      .cache?.write(this.#file, text)
      .catch((error: unknown) => {
        platform().log(`tuning: ${this.#file} was not kept: ${String(error)}`);
      });
  }

  #load(): Promise<Map<string, Entry>> {
    this.#entries ??= this.#read();
    return this.#entries;
  }

  async #read(): Promise<Map<string, Entry>> {
    const text = await platform().cache?.read(this.#file);
    if (!text) return new Map();
    try {
      return new Map(Object.entries(JSON.parse(text) as Record<string, Entry>));
    } catch {
      platform().log(`tuning: ${this.#file} is damaged and is made anew.`);
      return new Map();
    }
  }
}
