/** Percentile intervals by resampling pictures, or subjects where the manifest names them (Efron & Tibshirani 1993, §13.3). */
import { random } from '../random.ts';
import type { Weights } from './agreement.ts';

export interface Interval {
  low: number;
  high: number;
}

export interface BootstrapOptions {
  /**
   * The group of each picture, counted from 0. Groups are drawn as a whole: frames of one baby are not independent, and intervals that
   * pretend they are come out too narrow.
   */
  groups: ArrayLike<number>;
  /** Number of resamples. */
  replicates: number;
  seed: number;
  /** Share of the resamples inside the interval, 0.95 by default. */
  level?: number;
  /** Called after each resample with the share done. */
  onProgress?: ((share: number) => void) | undefined;
}

/**
 * The interval of each number that `statistics` returns for a weighing of the pictures. A number that is NaN in some
 * resamples gets its interval from the others; when none is left, both ends are NaN.
 */
export async function bootstrap(
  statistics: (weights: Weights) => number[],
  options: BootstrapOptions,
): Promise<Interval[]> {
  const { groups, replicates, seed, level = 0.95, onProgress } = options;
  let groupCount = 0;
  for (let i = 0; i < groups.length; i++) groupCount = Math.max(groupCount, (groups[i] ?? 0) + 1);
  const drawn = new Uint32Array(groupCount);
  const weights = new Uint32Array(groups.length);
  const samples: number[][] = [];
  let rested = performance.now();
  for (let b = 0; b < replicates; b++) {
    const generator = random(seed, b);
    drawn.fill(0);
    for (let i = 0; i < groupCount; i++) {
      const g = generator.integer(groupCount);
      drawn[g] = (drawn[g] ?? 0) + 1;
    }
    for (let i = 0; i < groups.length; i++) weights[i] = drawn[groups[i] ?? 0] ?? 0;
    samples.push(statistics(weights));
    onProgress?.((b + 1) / replicates);
    // The server computes this between two requests of its raters: it must not hold them up.
    if (performance.now() - rested > 20) {
      await new Promise((resolve) => setImmediate(resolve));
      rested = performance.now();
    }
  }
  return (samples[0] ?? []).map((_, k) => {
    const values = samples.map((sample) => sample[k] ?? Number.NaN);
    const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
    return { low: quantile(sorted, (1 - level) / 2), high: quantile(sorted, (1 + level) / 2) };
  });
}

/** Linear interpolation between order statistics (type 7 of Hyndman & Fan 1996). */
function quantile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? below;
  return below + (above - below) * (at - Math.floor(at));
}
