import type { Access, Kernel } from '../../kernels/kernel.ts';
import { KernelError } from '../errors.ts';
import type { Storage } from './memory.ts';

/**
 * A kernel parameter whose value the host knows only when the command runs: a learning rate, a step number, a random
 * counter. A replayed program reads it anew at every run; an eager call reads it at once.
 */
export class HostScalar {
  readonly read: () => number;
  constructor(read: () => number) {
    this.read = read;
  }
}

export type ParamValue = number | HostScalar;

/** One recorded use of a kernel, before a variant is chosen. */
export interface KernelCall {
  readonly kind: 'call';
  readonly kernel: Kernel;
  readonly buffers: Readonly<Record<string, Storage>>;
  readonly params: Readonly<Record<string, ParamValue>>;
}

/** Bytes from the host; runs between the commands before and after it. */
export interface Upload {
  readonly kind: 'upload';
  readonly storage: Storage;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A host action that belongs to the step: counting it, advancing a generator. Runs at every replay. */
export interface HostEffect {
  readonly kind: 'effect';
  readonly run: () => void;
}

/** Work of the host, a program's run, between the commands recorded before and after it. */
export interface HostWork {
  readonly kind: 'work';
  readonly run: () => void;
}

export type Command = KernelCall | Upload | HostEffect | HostWork;

export const writes = (access: Access): boolean => access !== 'read';

/** Checks a call against its kernel's declaration and marks what it writes. */
export function recordCall(
  kernel: Kernel,
  buffers: Record<string, Storage | undefined>,
  params: Record<string, ParamValue>,
): KernelCall {
  const bound: Record<string, Storage> = {};
  for (const [name, access] of Object.entries(kernel.bindings)) {
    const storage = buffers[name];
    if (!storage) {
      if (writes(access)) throw new KernelError(`${kernel.name}: nothing is bound to ${name}, which it writes.`);
      continue;
    }
    if (access !== 'write' && !storage.written) {
      throw new KernelError(`${kernel.name} reads ${storage.label} as ${name}, but nothing has written it.`);
    }
    bound[name] = storage;
  }
  for (const name of Object.keys(buffers)) {
    if (!(name in kernel.bindings)) throw new KernelError(`${kernel.name} has no binding ${name}.`);
  }
  for (const name of Object.keys(kernel.params)) {
    if (params[name] === undefined) throw new KernelError(`${kernel.name}: parameter ${name} is missing.`);
  }
  for (const [name, access] of Object.entries(kernel.bindings)) {
    const storage = bound[name];
    if (!storage || !writes(access)) continue;
    storage.written = true;
    storage.version++;
    for (const [other, second] of Object.entries(bound)) {
      if (other !== name && second === storage) {
        throw new KernelError(`${kernel.name}: ${storage.label} is bound to ${name} and ${other} at once.`, {
          remedy: 'WebGPU refuses a buffer that one dispatch both reads and writes; bind it once with access `update`.',
        });
      }
    }
  }
  return { kind: 'call', kernel, buffers: bound, params };
}

/** The call's parameters as plain numbers, host scalars read now. */
export function numericParams(call: KernelCall): Record<string, number> {
  const out: Record<string, number> = {};
  for (const [name, value] of Object.entries(call.params)) out[name] = typeof value === 'number' ? value : value.read();
  return out;
}
