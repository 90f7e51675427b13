import type { Constants, DeviceTraits, Kernel, Variant } from '../../kernels/kernel.ts';
import { ConfigError } from '../errors.ts';
import { platform } from '../platform.ts';
import type { KernelCall } from './commands.ts';
import { defaultKey, defaultValue, TuningDefaults } from './defaults.ts';
import { type Bench, TuningTable } from './tuning.ts';

/** The rung of a kernel's ladder that a call will climb. */
export interface Choice {
  readonly variant: Variant;
  readonly tile: Constants;
  readonly traits: DeviceTraits;
}

/**
 * `off`: never what was measured, only what the kernels say of themselves. `known` (the default): what was measured on
 * this device before, else what the committed table says, else the same. `missing`: measure what is not known yet, at its first use. `all`: measure anew.
 */
export type TuningMode = 'off' | 'known' | 'missing' | 'all';

const MODES: Readonly<Record<string, TuningMode>> = { 0: 'off', 1: 'missing', all: 'all' };

/** A challenger must be this much faster than the untuned choice, or noise would decide. */
const MARGIN = 0.93;

/** Above so many operations the naive variant takes seconds; the untuned choice, compared with it in tests, is the truth. */
const NAIVE_LIMIT = 1e9;

/** Below so many operations a call is not worth its own measurement. */
const SMALLEST = 1e6;

/**
 * Picks a variant and tile per kernel and shape: one forced by hand, else the best measured on this machine, else the
 * committed table's (defaults.ts), else the last of the ladder that supports and suits the shape. `KERNEL=matmul=naive,conv2d=naive` or `force()` forces; unknown names are refused.
 * `TUNE=0` ignores measurements, `TUNE=1` makes the missing ones, `TUNE=all` makes all anew.
 */
export class Tuner {
  #mode: TuningMode;
  readonly #traits: DeviceTraits;
  readonly #bench: Bench;
  readonly #table: TuningTable;
  readonly #defaults: TuningDefaults;
  readonly #won = new Map<string, string>();
  readonly #forced = new Map<string, { variant: string; tile?: Constants }>();
  readonly #choices = new Map<string, Promise<Choice>>();
  #queue: Promise<unknown> = Promise.resolve();

  constructor(traits: DeviceTraits, bench: Bench) {
    this.#traits = traits;
    this.#bench = bench;
    this.#table = new TuningTable(bench.adapter);
    this.#defaults = new TuningDefaults(traits);
    const asked = platform().env('TUNE');
    this.#mode = asked === undefined ? 'known' : MODES[asked];
    if (!this.#mode) {
      throw new ConfigError(`TUNE=${asked} is not a mode.`, { remedy: 'TUNE=0 (off), 1 (what is missing) or all.' });
    }
    for (const pair of (platform().env('KERNEL') ?? '').split(',').filter(Boolean)) {
      const [kernel, variant] = pair.split('=');
      if (!kernel || !variant) {
        throw new ConfigError(`KERNEL=${pair} is not of the form kernel=variant.`, {
          remedy: 'Example: KERNEL=matmul=naive',
        });
      }
      this.force(kernel, variant);
    }
  }

  get mode(): TuningMode {
    return this.#mode;
  }

  set mode(mode: TuningMode) {
    this.#mode = mode;
    this.#choices.clear();
  }

  /** Forces a variant by name for every shape; `undefined` lifts it. `'*'` as kernel means all, where they have it. */
  force(kernel: string, variant: string | undefined, tile?: Constants): void {
    this.#choices.clear();
    if (variant === undefined) this.#forced.delete(kernel);
    else this.#forced.set(kernel, tile ? { variant, tile } : { variant });
  }

  choose(call: KernelCall, params: Readonly<Record<string, number>>): Promise<Choice> {
    const key = `${call.kernel.name} ${JSON.stringify(params)}`;
    let choice = this.#choices.get(key);
    if (!choice) {
      choice = this.#select(call, params, key);
      this.#choices.set(key, choice);
    }
    return choice;
  }

  /** Every rung that is correct for these parameters on this device. */
  supported(kernel: Kernel, params: Readonly<Record<string, number>>): readonly Variant[] {
    return kernel.variants.filter((v) => v.supports?.(params, this.#traits) ?? true);
  }

  /** All that could run, with every tile, and what does when nothing is known. */
  rungs(kernel: Kernel, params: Readonly<Record<string, number>>): { rungs: readonly Choice[]; untuned: Choice } {
    const supported = this.supported(kernel, params);
    const suited = supported.findLast((v) => v.suits?.(params, this.#traits) ?? true);
    return {
      rungs: supported.flatMap((variant) => {
        const tiles = variant.tiles?.(params, this.#traits) ?? [{}];
        return tiles.map((tile): Choice => ({ variant, tile, traits: this.#traits }));
      }),
      untuned: this.#with(suited ?? supported[supported.length - 1], params),
    };
  }

  /** The rung that runs where no measurement of this shape says otherwise. */
  expected(kernel: Kernel, params: Readonly<Record<string, number>>): string {
    const forced = this.#forced.get(kernel.name)?.variant;
    if (forced !== undefined) return forced;
    const everywhere = this.#forced.get('*')?.variant;
    const supported = this.supported(kernel, params);
    return supported.find((v) => v.name === everywhere)?.name ?? this.rungs(kernel, params).untuned.variant.name;
  }

  /** The calls of this process for which a measurement of this machine beat the untuned choice, as a table of defaults. */
  get won(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#won].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** What has been measured in this process, for people. */
  get log(): readonly string[] {
    return this.#table.log;
  }

  async #select(call: KernelCall, params: Readonly<Record<string, number>>, key: string): Promise<Choice> {
    const { kernel } = call;
    const supported = this.supported(kernel, params);
    const forced = this.#forced.get(kernel.name);
    if (forced) {
      const variant = supported.find((v) => v.name === forced.variant);
      if (!variant) {
        throw new ConfigError(
          `${kernel.name} was forced to ${forced.variant}, which ${kernel.variants.some((v) => v.name === forced.variant) ? `does not support ${JSON.stringify(params)} here` : 'does not exist'}.`,
          { remedy: `Variants that run here: ${supported.map((v) => v.name).join(', ')}.` },
        );
      }
      return this.#with(variant, params, forced.tile);
    }
    const everywhere = supported.find((v) => v.name === this.#forced.get('*')?.variant);
    if (everywhere) return this.#with(everywhere, params);
    const { rungs, untuned } = this.rungs(kernel, params);
    const dynamic = Object.values(params).some(Number.isNaN);
    if (this.#mode === 'off' || !kernel.tunable || dynamic || kernel.cost(params).flops < SMALLEST) return untuned;
    // One measurement at a time: they share the device.
    const turn = this.#queue.then(() => this.#tuned(call, params, key, rungs, untuned));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #tuned(
    call: KernelCall,
    params: Readonly<Record<string, number>>,
    key: string,
    rungs: readonly Choice[],
    untuned: Choice,
  ): Promise<Choice> {
    if (this.#mode !== 'all') {
      const known = await this.#table.find(key, rungs, params, this.#bench);
      // What was measured before the untuned choice became another says nothing of that.
      const compared = (await this.#table.microseconds(key, untuned)) !== undefined;
      if (known && (compared || this.#mode === 'known')) return this.#note(call.kernel, params, known, untuned, key);
      if (this.#mode === 'known') {
        return (await this.#defaults.find(call.kernel, params, rungs, untuned, this.#bench)) ?? untuned;
      }
    }
    const [naive, ...others] = rungs.filter(({ variant: { family } }) => !family || family === this.#traits.family);
    const truth = call.kernel.cost(params).flops > NAIVE_LIMIT ? untuned : naive;
    const measured = await this.#bench.race(call, params, truth, [untuned, ...others.filter((r) => !same(r, untuned))]);
    const [first] = measured;
    const best = measured.reduce((a, b) => (b.nanoseconds < a.nanoseconds ? b : a), first);
    const choice = first && best.nanoseconds < MARGIN * first.nanoseconds ? best.choice : untuned;
    await this.#table.keep(key, choice, params, measured, this.#bench);
    return this.#note(call.kernel, params, choice, untuned, key);
  }

  async #note(kernel: Kernel, params: Readonly<Record<string, number>>, choice: Choice, untuned: Choice, key: string) {
    if (!same(choice, untuned)) {
      const times = await Promise.all([choice, untuned].map((c) => this.#table.microseconds(key, c)));
      const value = await defaultValue(choice, untuned, params, this.#bench);
      this.#won.set(defaultKey(kernel, params), `${value}, ${times[0]} µs instead of ${times[1]}`);
    }
    return choice;
  }

  #with(variant: Variant, params: Readonly<Record<string, number>>, tile?: Constants): Choice {
    return { variant, tile: tile ?? variant.tiles?.(params, this.#traits)[0] ?? {}, traits: this.#traits };
  }
}

const same = (a: Choice, b: Choice): boolean =>
  a.variant === b.variant && JSON.stringify(a.tile) === JSON.stringify(b.tile);
