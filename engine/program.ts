import { KernelError } from './errors.ts';
import { platform } from './platform.ts';
import { runStep, tensorsIn } from './program-step.ts';
import { fuseChains } from './runtime/chains.ts';
import type { Command, HostEffect } from './runtime/commands.ts';
import type { Device } from './runtime/device.ts';
import { takeOver } from './runtime/in-place.ts';
import type { HostSlot } from './runtime/lower.ts';
import type { Storage } from './runtime/memory.ts';
import { assignBuffers, type Lifetime, lifetimes } from './runtime/plan.ts';
import { postpone } from './runtime/postpone.ts';
import { recompute } from './runtime/recompute.ts';
import { reduce } from './runtime/reuse.ts';
import type { BoundDispatch } from './runtime/submit.ts';
import { type Staged, TextureCopies } from './runtime/texture-copies.ts';
import { type WarmProgress, warmUp } from './runtime/warm.ts';
import { currentDevice, type Tensor } from './tensor.ts';

/** A traced step: the same dispatches, buffers and bind groups at every run. */
export interface Program<T> {
  /**
   * What the first run would do before it starts: traces, plans, compiles. Its inputs must have been written once.
   * `onProgress` hears of kernels compiled, where that takes time.
   */
  prepare(onProgress?: WarmProgress): Promise<void>;
  /**
   * Runs the step once, after everything recorded and written so far; from the second run on also before what is written
   * next, awaited or not. The first call traces and plans it; the result is the same tensors at every run.
   */
  run(): Promise<T>;
  /** Figures of the plan; `undefined` before the first run, and when programs are off. */
  readonly plan: ProgramPlan | undefined;
  /** Frees its buffers; the tensors it made and returned are gone with it. */
  dispose(): void;
}

export interface ProgramPlan {
  /** Dispatches of every run. */
  readonly dispatches: number;
  /** Dispatches that run again only after a parameter has changed (arranged weights of inference). */
  readonly constants: number;
  /** Bytes of the temporaries' buffers: the shared ones, what the constants keep, and textures that buffers are read from. */
  readonly temporaryBytes: number;
  /** The same if no two temporaries shared a buffer. */
  readonly unsharedBytes: number;
  /** What the forward pass keeps for the backward pass, weights and inputs not counted; of several passes the most. */
  readonly savedBytes: number;
  readonly buffers: number;
}

/**
 * Makes a program of `step`. Everything the step needs from the host at each run must come through tensors written
 * before the run, or host scalars (learning rate, step number, random counters). `PROGRAM=0` or `{ eager: true }` runs
 * the step's operations one by one instead, with bit-identical results.
 */
export function program<T>(step: () => T, options: { eager?: boolean; device?: Device } = {}): Program<T> {
  const device = options.device ?? currentDevice();
  const eager = options.eager ?? platform().env('PROGRAM') === '0';
  return eager ? new EagerProgram(step, device) : new TracedProgram(step, device);
}

class EagerProgram<T> implements Program<T> {
  readonly plan = undefined;
  readonly #step: () => T;
  readonly #device: Device;
  #last: Tensor[] = [];

  constructor(step: () => T, device: Device) {
    this.#step = step;
    this.#device = device;
  }

  /** Nothing is known before it runs. */
  async prepare(): Promise<void> {}

  async run(): Promise<T> {
    this.dispose();
    const before = new Set(this.#device.memory.live);
    const { result } = runStep(this.#step);
    this.#last = tensorsIn(result).filter(({ storage }) => !before.has(storage));
    await this.#device.flush();
    return result;
  }

  dispose(): void {
    for (const tensor of this.#last) tensor.dispose();
    this.#last = [];
  }
}

/** What a program holds until it is disposed. */
interface Owned {
  readonly buffers: GPUBuffer[];
  readonly textures: TextureCopies;
  /** What it reads and writes of others. */
  readonly outside: Storage[];
  /** The tensors in its result that it made; others stay their owner's. */
  readonly outputs: readonly Tensor[];
}

function free({ buffers, textures, outside, outputs }: Owned, device: Device): void {
  for (const buffer of buffers) device.memory.discard(buffer);
  textures.dispose();
  for (const storage of outside) storage.release();
  for (const tensor of outputs) tensor.dispose();
}

/** A temporary that outlives the step: its place is another's by then, and the next run would not find what this one left. */
function refuseKept(commands: readonly Command[], isTemporary: (storage: Storage) => boolean): void {
  for (const command of commands) {
    if (command.kind !== 'call') continue;
    const kept = Object.values(command.buffers).find((storage) => storage.references > 0 && isTemporary(storage));
    if (kept) {
      throw new KernelError(`${kept.label} was made and kept inside a program, whose runs do not keep it.`, {
        remedy: 'Make what lives across runs outside the step; return what is read after a run.',
      });
    }
  }
}

/** What the commands write of `kept`. */
function writtenOf(commands: readonly Command[], kept: ReadonlySet<Storage>): readonly Storage[] {
  const written = new Set<Storage>();
  for (const command of commands) {
    if (command.kind !== 'call') continue;
    for (const [name, storage] of Object.entries(command.buffers)) {
      if (command.kernel.bindings[name] !== 'read' && kept.has(storage)) written.add(storage);
    }
  }
  return [...written];
}

interface Prepared<T> {
  readonly result: T;
  readonly each: readonly BoundDispatch[];
  /** Runs before `each` when the sources have other versions than at its last run. */
  readonly once: {
    readonly bound: readonly BoundDispatch[];
    readonly sources: readonly Storage[];
    versions: readonly number[] | undefined;
  };
  readonly host: readonly (HostEffect | HostSlot)[];
  readonly owned: Owned;
  readonly written: readonly Storage[];
  readonly plan: ProgramPlan;
}

class TracedProgram<T> implements Program<T> {
  readonly #step: () => T;
  readonly #device: Device;
  #prepared: Prepared<T> | undefined;
  #preparing: Promise<Prepared<T>> | undefined;

  constructor(step: () => T, device: Device) {
    this.#step = step;
    this.#device = device;
  }

  get plan(): ProgramPlan | undefined {
    return this.#prepared?.plan;
  }

  async prepare(onProgress?: WarmProgress): Promise<void> {
    await this.#ready(onProgress);
  }

  #ready(onProgress?: WarmProgress): Promise<Prepared<T>> {
    this.#preparing ??= this.#prepare(onProgress).catch((error) => {
      this.#preparing = undefined;
      throw error;
    });
    return this.#preparing;
  }

  async run(): Promise<T> {
    const prepared = this.#prepared ?? (await this.#ready());
    const constants = this.#staleConstants(prepared.once);
    for (const storage of prepared.written) storage.version++;
    // Not after a flush: what the caller writes while that is under way must not come first.
    this.#device.inOrder(() => {
      for (const item of prepared.host) {
        if ('kind' in item) item.run();
        else item.value = item.scalar.read();
      }
      this.#device.submit(constants);
      this.#device.submit(prepared.each);
    });
    await this.#device.flush();
    return prepared.result;
  }

  /** What must run again because its sources have changed. */
  #staleConstants(once: Prepared<T>['once']): readonly BoundDispatch[] {
    const versions = once.sources.map((source) => source.version);
    if (once.versions && versions.every((version, i) => version === once.versions?.[i])) return [];
    once.versions = versions;
    return once.bound;
  }

  async #prepare(onProgress: WarmProgress | undefined): Promise<Prepared<T>> {
    const device = this.#device;
    await device.flush();
    if (device.trace) throw new KernelError('A program was started while another is being traced.');
    const before = new Set(device.memory.live);
    const commands: Command[] = [];
    device.trace = commands;
    let result: T;
    let savedBytes = 0;
    try {
      const traced = runStep(this.#step);
      result = traced.result;
      for (const storages of traced.saved) {
        const own = [...storages].filter((storage) => !before.has(storage));
        savedBytes = Math.max(
          savedBytes,
          own.reduce((sum, { bytes }) => sum + bytes, 0),
        );
      }
    } finally {
      device.trace = undefined;
    }
    const outputs = tensorsIn(result).filter(({ storage }) => !before.has(storage));
    const outputStorages = new Set(outputs.map((t) => t.keep().storage));
    const isTemporary = (storage: Storage): boolean => !before.has(storage) && !outputStorages.has(storage);
    refuseKept(commands, isTemporary);
    const { dispatches, host } = await device.lower(commands);
    const { each: needed, once, sources, results } = reduce(dispatches, isTemporary);
    const isOwn = (storage: Storage): boolean => isTemporary(storage) && !results.has(storage);
    const chained = await fuseChains(needed, isOwn, device.shaders, device.traits);
    const ordered = await takeOver(postpone(chained, isOwn), isOwn, device.shaders);
    const each = recompute(ordered, isOwn, device.memory);
    const owned: Owned = { buffers: [], textures: new TextureCopies(device.memory), outside: [], outputs };
    try {
      const { textures, outside } = owned;
      textures.reserve([...once, ...each]);
      const staged = { once: textures.stage(once), each: textures.stage(each) };
      const touched = [...lifetimes(staged.once).keys(), ...lifetimes(staged.each).keys()];
      outside.push(...[...new Set(touched)].filter((s) => before.has(s)).map((s) => s.retain()));
      const temporaries = [...lifetimes(staged.each).values()].filter(({ storage }) => isOwn(storage));
      const bound = this.#bind(staged, temporaries, results, owned);
      const shaders = [...once, ...each].map((dispatch) => dispatch.shader);
      await warmUp(device, shaders, { onProgress });
      this.#prepared = {
        result,
        each: bound.each,
        once: { bound: bound.once, sources, versions: undefined },
        host,
        owned,
        written: writtenOf(commands, new Set([...outside, ...outputStorages])),
        plan: {
          dispatches: each.length,
          constants: once.length,
          temporaryBytes: owned.buffers.reduce((n, b) => n + b.size, textures.bytes),
          unsharedBytes: [...temporaries.map((t) => t.storage), ...results].reduce(
            (n, s) => n + s.bytes,
            textures.bytes,
          ),
          savedBytes,
          buffers: owned.buffers.length,
        },
      };
      return this.#prepared;
    } catch (error) {
      free(owned, device);
      throw error;
    }
  }

  /** Gives the dispatches their buffers, which the program owns: the storages that stood for them are spent. */
  #bind(
    { each, once }: { readonly each: readonly Staged[]; readonly once: readonly Staged[] },
    temporaries: readonly Lifetime[],
    results: ReadonlySet<Storage>,
    { buffers }: Owned,
  ): { each: readonly BoundDispatch[]; once: readonly BoundDispatch[] } {
    const device = this.#device;
    const bind = (list: readonly Staged[]): BoundDispatch[] => list.map((one) => device.bind(one));
    try {
      const dispatches = each.map(({ dispatch }) => dispatch);
      assignBuffers(temporaries, dispatches, device.memory, buffers);
      for (const storage of results) buffers.push(device.memory.materialise(storage));
      return { each: bind(each), once: bind(once) };
    } finally {
      // Also on failure: as many as share a buffer would bring it to the pool.
      for (const storage of [...results, ...temporaries.map((t) => t.storage)]) {
        storage.buffer = undefined;
        storage.offset = 0;
      }
    }
  }

  dispose(): void {
    const prepared = this.#prepared;
    if (!prepared) return;
    this.#prepared = undefined;
    this.#preparing = undefined;
    this.#device.inOrder(() => free(prepared.owned, this.#device));
  }
}
