import type { Constants, DeviceTraits, Kernel, Variant } from '../../kernels/kernel.ts';
import { ConfigError } from '../errors.ts';
import { platform } from '../platform.ts';

/** The rung of a kernel's ladder that a call will climb. */
export interface Choice {
  readonly variant: Variant;
  readonly tile: Constants;
  readonly traits: DeviceTraits;
}

/**
 * Picks a variant per device and shape: one forced by hand, else the last of the ladder that supports and suits the shape.
 * `KERNEL=matmul=naive,conv2d=naive` or `force()` forces; unknown names are refused.
 */
export class Tuner {
  readonly #traits: DeviceTraits;
  readonly #forced = new Map<string, { variant: string; tile?: Constants }>();
  readonly #choices = new Map<string, Choice>();

  constructor(traits: DeviceTraits) {
    this.#traits = traits;
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

  /** Forces a variant by name for every shape; `undefined` lifts it. `'*'` as kernel means all, where they have it. */
  force(kernel: string, variant: string | undefined, tile?: Constants): void {
    this.#choices.clear();
    if (variant === undefined) this.#forced.delete(kernel);
    else this.#forced.set(kernel, tile ? { variant, tile } : { variant });
  }

  choose(kernel: Kernel, params: Readonly<Record<string, number>>): Choice {
    const key = `${kernel.name} ${JSON.stringify(params)}`;
    let choice = this.#choices.get(key);
    if (!choice) {
      choice = this.#select(kernel, params);
      this.#choices.set(key, choice);
    }
    return choice;
  }

  /** Every rung that is correct for these parameters on this device. */
  supported(kernel: Kernel, params: Readonly<Record<string, number>>): readonly Variant[] {
    return kernel.variants.filter((v) => v.supports?.(params, this.#traits) ?? true);
  }

  #select(kernel: Kernel, params: Readonly<Record<string, number>>): Choice {
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
    const everywhere = this.#forced.get('*');
    const variant =
      supported.find((v) => v.name === everywhere?.variant) ??
      supported.findLast((v) => v.suits?.(params, this.#traits) ?? true) ??
      supported[supported.length - 1];
    return this.#with(variant, params);
  }

  #with(variant: Variant, params: Readonly<Record<string, number>>, tile?: Constants): Choice {
    return { variant, tile: tile ?? variant.tiles?.(params, this.#traits)[0] ?? {}, traits: this.#traits };
  }
}
