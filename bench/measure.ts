import { Bench } from 'tinybench';
import { quiet } from './quiet.ts';

/**
 * One thing to time: `run` resolves when its work is done on the device. One that times itself (in another process)
 * resolves with the time as `ownMilliseconds`.
 */
export interface Contender {
  readonly name: string;
  readonly run: () => Promise<unknown>;
}

/** Milliseconds over the counted runs. */
export interface Timing {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: readonly number[];
  /** The first run of all, with whatever compiling it needed. */
  readonly first: number;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** What a run resolved with, as tinybench wants it, if it is a time taken by itself. */
const ownTime = (value: unknown): { overriddenDuration: number } | undefined => {
  const isTime = typeof value === 'object' && value !== null && 'ownMilliseconds' in value;
  return isTime ? { overriddenDuration: Number(value.ownMilliseconds) } : undefined;
};

/** In turns: what takes longer runs once. */
const LONG = 10;

/**
 * A turn: of what takes less than ten turns the first run is not counted, for it finds cold caches after another engine's
 * turn and a machine that slept (a GPU has lowered its clocks; conv 512@28 on two cores, after 2 s of nothing: 130 to
 * 177 ms, then 127), and those after it go on for `turnMs`. What takes longer runs once.
 */
async function takeTurn({ name, run }: Contender, turnMs: number): Promise<readonly number[]> {
  const start = performance.now();
  const own = ownTime(await run())?.overriddenDuration;
  const first = own ?? performance.now() - start;
  if (first >= LONG * turnMs) return [first];
  const bench = new Bench({ time: turnMs, iterations: 1, warmup: false, retainSamples: true, throws: true });
  bench.add(name, async () => ownTime(await run()));
  await bench.run();
  const [{ result }] = bench.tasks;
  if (!('latency' in result)) throw new Error(`${name} was not timed`);
  return result.latency.samples ?? [result.latency.mean];
}

export interface TurnOptions {
  readonly rounds?: number;
  /** Rounds that every contender takes part in, whatever the budget. */
  readonly leastRounds?: number;
  /** Milliseconds for each contender: one that has used them up drops out of further rounds, the others go on. */
  readonly budgetMs?: number;
  /** The contenders have run before. */
  readonly warm?: boolean;
  /** How long a turn of a short work lasts. Default 100. */
  readonly turnMs?: number;
  /** What a turn waits for. */
  readonly settle?: () => Promise<unknown>;
}

/**
 * Times contenders in turn, A B C A B C …, so that a drifting machine hits all alike; each turn begins when the machine is
 * quiet (quiet.ts). One warm-up each (unless they are `warm`), then `rounds` rounds; a slow contender takes part in fewer,
 * but in `leastRounds`.
 */
export async function interleaved(contenders: readonly Contender[], options: TurnOptions = {}): Promise<Timing[]> {
  const { rounds = 5, leastRounds = 1, budgetMs = Number.POSITIVE_INFINITY, warm = false } = options;
  const { turnMs = 100, settle = () => quiet.turn() } = options;
  const firsts: number[] = [];
  for (const { run } of warm ? [] : contenders) {
    const start = performance.now();
    await run();
    firsts.push(performance.now() - start);
  }
  const samples = contenders.map((): number[] => []);
  const spent = contenders.map(() => 0);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      if (round >= leastRounds && spent[i] > budgetMs) continue;
      await settle();
      const start = performance.now();
      samples[i].push(...(await takeTurn(contender, turnMs)));
      spent[i] += performance.now() - start;
    }
  }
  return contenders.map(({ name }, i) => ({
    name,
    median: median(samples[i]),
    min: Math.min(...samples[i]),
    max: Math.max(...samples[i]),
    samples: samples[i],
    first: firsts[i] ?? Number.NaN,
  }));
}
