import type { DeviceTraits, Kernel } from '../../kernels/kernel.ts';
import { platform } from '../platform.ts';
import type { Choice } from './tuner.ts';
import { type Bench, hash } from './tuning.ts';

type Params = Readonly<Record<string, number>>;

/** A committed table: what was measured once for all machines of a kind. */
export interface DefaultsFile {
  readonly about: string;
  readonly adapter: string;
  readonly date: string;
  /** The CPUs that all these choices were the faster on. */
  readonly cpus: readonly string[];
  /** Figures are the last one's. `conv2d batch=1 h=70 …` → `narrow columns=4 pixels=8 #1a2b3c4d, 590 µs instead of 2040`. */
  readonly choices: Readonly<Record<string, string>>;
}

/** The table for software Vulkan. There is none for GPUs: their untuned choice is what the kernels say of themselves. */
export const LANES_DEFAULTS = new URL('./tuning-lanes.json', import.meta.url);

const pairs = (values: Readonly<Record<string, unknown>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

/** The key of a choice. */
export const defaultKey = (kernel: Kernel, params: Params): string => `${kernel.name} ${pairs(params)}`;

/**
 * The value of a choice, as far as it is compared: the rung, and a hash of its text and of the text that would run
 * otherwise, since of two texts one was found the faster.
 */
export async function defaultValue(choice: Choice, untuned: Choice, params: Params, bench: Bench): Promise<string> {
  const texts = [await bench.sourceHash(choice, params), await bench.sourceHash(untuned, params)];
  const { variant, tile } = choice;
  return `${[variant.name, pairs(tile)].filter(Boolean).join(' ')} #${hash(texts.join(' '))}`;
}

/** Finds a call's rung in the committed table; an entry whose text has changed since is no entry. */
export class TuningDefaults {
  readonly #traits: DeviceTraits;
  #file: Promise<DefaultsFile | undefined> | undefined;

  constructor(traits: DeviceTraits) {
    this.#traits = traits;
  }

  async find(
    kernel: Kernel,
    params: Params,
    rungs: readonly Choice[],
    untuned: Choice,
    bench: Bench,
  ): Promise<Choice | undefined> {
    this.#file ??= this.#read();
    const kept = (await this.#file)?.choices[defaultKey(kernel, params)];
    if (kept === undefined) return undefined;
    for (const rung of rungs) {
      const { variant, tile } = rung;
      // Hashing takes a while: only for the rung that is meant.
      if (!kept.startsWith(`${[variant.name, pairs(tile)].filter(Boolean).join(' ')} #`)) continue;
      if (kept.startsWith(`${await defaultValue(rung, untuned, params, bench)},`)) return rung;
    }
    return undefined;
  }

  async #read(): Promise<DefaultsFile | undefined> {
    if (this.#traits.family !== 'lanes') return undefined;
    return JSON.parse(await platform().readText(LANES_DEFAULTS)) as DefaultsFile;
  }
}
