import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { availableParallelism, freemem, homedir } from 'node:os';
import { join } from 'node:path';
import { DeviceError } from './errors.ts';
import { type Platform, setPlatform } from './platform.ts';

/**
 * Dawn toggles. Without the first, timestamps come in steps of 65,536 ns; the next exposes shader-f16 on NVIDIA. Subgroup
 * matrices are behind the last, which opens everything unfinished in Dawn: only for who asks.
 */
const dawnFlags = (): string[] => {
  const unsafe = process.env.SUBGROUP_MATRIX === '1' ? ',allow_unsafe_apis' : '';
  return ['disable-dawn-features=timestamp_quantization', `enable-dawn-features=vulkan_enable_f16_on_nvidia${unsafe}`];
};

/** Kept for the life of the process: once the object from create() is collected, Dawn aborts at random. */
let instance: GPU | undefined;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Where the tuner keeps what it measured. */
export const cacheFolder = (): string =>
  process.env.KINDERGRAD_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'kindergrad');

export const nodePlatform: Platform = {
  name: `node ${process.versions.node}`,
  async gpu() {
    if (instance) return instance;
    // Mesa complains on stderr without it, and works all the same.
    process.env.XDG_RUNTIME_DIR ??= '/tmp';
    const extra = process.env.DAWN_FLAGS?.split(' ').filter(Boolean) ?? [];
    try {
      const { create, globals } = await import('webgpu');
      Object.assign(globalThis, globals);
      instance = create([...dawnFlags(), ...extra]);
    } catch (cause) {
      throw new DeviceError(`WebGPU (Dawn) did not start: ${String(cause)}`, {
        remedy: 'Run `npx kindergrad doctor` to see what is missing.',
        cause,
      });
    }
    return instance;
  },
  adapterRemedy: 'Run `npx kindergrad doctor`: it says which driver this system lacks, and how to get it.',
  readText: (url) => readFile(url, 'utf8'),
  cache: {
    async read(key) {
      return readFile(join(cacheFolder(), key), 'utf8').catch(() => undefined);
    },
    async write(key, text) {
      const folder = cacheFolder();
      await mkdir(folder, { recursive: true });
      const temporary = join(folder, `${key}.${process.pid}.tmp`);
      await writeFile(temporary, text);
      await rename(temporary, join(folder, key));
    },
  },
  env: (name) => process.env[name],
  async pause(ms) {
    // A pending Dawn promise makes the event loop spin; sleeping between turns frees the core for lavapipe's threads
    // (batches of GEMM: 275 ms when spinning, 140–173 so).
    if (ms > 0) Atomics.wait(sleeper, 0, 0, ms);
    await new Promise((resolve) => setImmediate(resolve));
  },
  cores: availableParallelism,
  memoryBudget: () => Math.floor(freemem() * 0.9),
  log: (line) => console.error(line),
};

setPlatform(nodePlatform);

export * from './index.ts';
