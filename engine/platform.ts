import { DeviceError } from './errors.ts';

/**
 * The few things the engine needs from where it runs. engine/node.ts installs Node's; in a browser the default below
 * serves.
 */
export interface Platform {
  readonly name: string;
  /** The WebGPU entry point; throws DeviceError with a remedy where there is none. */
  gpu(): Promise<GPU>;
  /** What helps where that gives no adapter. */
  readonly adapterRemedy: string;
  /** Text of a file beside the sources (WGSL, committed tuning tables). */
  readText(url: URL): Promise<string>;
  /** A small key-value store that outlives the process (the tuner's cache); `undefined` where there is none. */
  readonly cache:
    | { read(key: string): Promise<string | undefined>; write(key: string, text: string): Promise<void> }
    | undefined;
  /** An environment variable or its equivalent. */
  env(name: string): string | undefined;
  /** Lets the event loop turn once, then pauses up to `ms` without burning a core. */
  pause(ms: number): Promise<void>;
  /** Threads that may run at once. */
  cores(): number;
  /** Bytes that a software adapter may take before the system is in danger; `undefined` when unknown. */
  memoryBudget(): number | undefined;
  log(line: string): void;
}

const browser: Platform = {
  name: 'browser',
  async gpu() {
    const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
    if (!gpu) {
      throw new DeviceError('No WebGPU: navigator.gpu is missing.', {
        remedy: "Use a browser with WebGPU, or import 'kindergrad/node' first when running in Node.",
      });
    }
    return gpu;
  },
  adapterRemedy: "Use a machine with a graphics card that the browser's WebGPU accepts, or its software adapter.",
  readText: async (url) => (await fetch(url)).text(),
  cache: undefined,
  env: () => undefined,
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  cores: () => globalThis.navigator?.hardwareConcurrency ?? 1,
  memoryBudget: () => undefined,
  log: (line) => console.log(line),
};

let current: Platform = browser;

/** The platform in use. */
export function platform(): Platform {
  return current;
}

/** Replaces the platform; call it before a device is opened. */
export function setPlatform(next: Platform): void {
  current = next;
}
