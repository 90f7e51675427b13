import { philox } from '../engine/random.ts';

/** Second half of the key: keeps these draws apart from those of the engine's Generator under the same seed. */
const hostDraws = 0x686f7374;

/**
 * Random decisions on the host. A generator is named by its keys, such as (seed, epoch): two runs that ask the same
 * question get the same answer, whatever else was drawn before, so nothing needs saving for a resumed run.
 */
export interface Random {
  /** Uniform in [from, to). */
  uniform(from?: number, to?: number): number;
  /** A whole number in [0, count). */
  integer(count: number): number;
  /** Normal with the given mean and standard deviation. */
  normal(mean?: number, deviation?: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  pick<T>(choices: readonly T[]): T;
  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[];
}

/** A generator for these keys (whole numbers, at most four), on the engine's Philox: one seed, one source of randomness. */
export function random(...keys: readonly number[]): Random {
  const [seed = 0, a = 0, b = 0, c = 0] = keys;
  let words: Uint32Array = new Uint32Array(0);
  let block = 0;
  let used = 4;
  const next = () => {
    if (used === 4) {
      words = philox([block, a, b, c], [seed, hostDraws]);
      block += 1;
      used = 0;
    }
    return (words[used++] as number) / 2 ** 32;
  };
  const uniform = (from = 0, to = 1) => from + (to - from) * next();
  const integer = (count: number) => Math.floor(next() * count);
  return {
    uniform,
    integer,
    normal: (mean = 0, deviation = 1) => {
      const radius = Math.sqrt(-2 * Math.log(1 - next()));
      return mean + deviation * radius * Math.cos(2 * Math.PI * next());
    },
    chance: (probability) => next() < probability,
    pick: (choices) => choices[integer(choices.length)] as (typeof choices)[number],
    shuffle: (items) => {
      const result = [...items];
      for (let i = result.length - 1; i > 0; i -= 1) {
        const j = integer(i + 1);
        const held = result[i] as (typeof items)[number];
        result[i] = result[j] as (typeof items)[number];
        result[j] = held;
      }
      return result;
    },
  };
}
