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

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A counter-based generator for these keys (whole numbers). */
export function random(...keys: readonly number[]): Random {
  let key = 0x9e3779b9;
  for (const part of keys) key = mix(key + mix(part) + 0x9e3779b9);
  let counter = 0;
  const next = () => {
    counter += 1;
    return mix(key ^ mix(counter + key)) / 2 ** 32;
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
