import type { Command, KernelCall } from './commands.ts';
import type { Device } from './device.ts';
import type { Storage } from './memory.ts';
import { lifetimes } from './plan.ts';
import type { BoundDispatch } from './submit.ts';

/** Recorded commands are run when this many wait, so that memory of released tensors comes back. */
const FLUSH_AT = 256;

/** Commands recorded outside programs, in order, until the next `flush()`. */
export class EagerQueue {
  readonly #device: Device;
  #pending: Command[] = [];
  #busy = false;
  #flushing: Promise<void> = Promise.resolve();

  constructor(device: Device) {
    this.#device = device;
  }

  /** Nothing waits and nothing is being run. */
  get idle(): boolean {
    return this.#pending.length === 0 && !this.#busy;
  }

  push(command: Command): void {
    this.#pending.push(command);
    if (this.#pending.length >= FLUSH_AT && !this.#busy) {
      // The error, if any, is raised by the next foreground call.
      this.flush().catch((error) => this.#device.faults.add(error as Error));
    }
  }

  /** Runs everything recorded so far, after what an earlier flush still has under way. */
  flush(): Promise<void> {
    // An earlier failure was raised where it was awaited; later work goes on.
    this.#flushing = this.#flushing.catch(() => undefined).then(() => this.#runPending());
    return this.#flushing;
  }

  async #runPending(): Promise<void> {
    this.#busy = true;
    try {
      while (this.#pending.length > 0) {
        const commands = this.#pending;
        this.#pending = [];
        await this.#execute(commands);
      }
      this.#device.memory.sweep();
    } finally {
      this.#busy = false;
    }
    this.#device.check();
  }

  async #execute(commands: readonly Command[]): Promise<void> {
    const device = this.#device;
    device.check();
    let from = 0;
    // Runs of calls between uploads and programs.
    while (from < commands.length) {
      const command = commands[from];
      if (command.kind === 'upload') {
        device.write(command.storage, command.data);
        from++;
        continue;
      }
      if (command.kind === 'work') {
        command.run();
        from++;
        continue;
      }
      let to = from;
      while (to < commands.length && commands[to].kind === 'call') to++;
      const calls = commands.slice(from, to) as KernelCall[];
      const { dispatches } = await device.lower(calls);
      const staged = device.stage(dispatches);
      const last = lifetimes(staged);
      const laterUse = new Set<Storage>();
      for (const later of [...commands.slice(to), ...this.#pending]) {
        if (later.kind === 'call') for (const s of Object.values(later.buffers)) laterUse.add(s);
        else if (later.kind === 'upload') laterUse.add(later.storage);
      }
      const bound: BoundDispatch[] = [];
      const submit = (): void => device.submit(bound.splice(0));
      device.memory.beforeTrim = submit;
      try {
        for (const [i, one] of staged.entries()) {
          bound.push(device.bind(one));
          for (const storage of one.dispatch.storages) {
            if (!storage?.buffer || storage.references > 0 || laterUse.has(storage)) continue;
            if ((last.get(storage)?.last ?? 0) > 2 * i) continue;
            device.memory.recycle(storage.buffer);
            storage.buffer = undefined;
          }
        }
      } finally {
        device.memory.beforeTrim = undefined;
      }
      submit();
      from = to;
    }
  }
}
