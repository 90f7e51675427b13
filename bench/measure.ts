import { Bench } from 'tinybench';

/**
 * One thing to time: `run` resolves when its work is done on the device. One that times itself (in another process)
 * resolves with its milliseconds as `overriddenDuration`.
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

/** What a run resolved with, if it is a time taken by itself. */
const ownTime = (value: unknown): { overriddenDuration: number } | undefined => {
  const isTime = typeof value === 'object' && value !== null && 'overriddenDuration' in value;
  return isTime ? { overriddenDuration: Number(value.overriddenDuration) } : undefined;
};

/**
 * Times contenders in turn, A B C A B C …, so that a drifting machine hits all alike. One warm-up each (unless they are
 * `warm`), then `rounds` rounds, or fewer: none is begun once `budgetMs` have passed. A round runs a contender for at
 * least `minMs` and counts each of its runs.
 */
export async function interleaved(
  contenders: readonly Contender[],
  options: { rounds?: number; minMs?: number; maxRuns?: number; budgetMs?: number; warm?: boolean } = {},
): Promise<Timing[]> {
  const { rounds = 5, minMs = 0, maxRuns = 20, budgetMs = Number.POSITIVE_INFINITY, warm = false } = options;
  const firsts: number[] = [];
  for (const { run } of warm ? [] : contenders) {
    const start = performance.now();
    await run();
    firsts.push(performance.now() - start);
  }
  const samples = contenders.map((): number[] => []);
  const began = performance.now();
  for (let round = 0; round < rounds; round++) {
    if (round > 0 && performance.now() - began > budgetMs) break;
    for (const [i, { name, run }] of contenders.entries()) {
      const bench = new Bench({ time: minMs, iterations: 1, warmup: false, retainSamples: true, throws: true });
      bench.add(name, async () => ownTime(await run()));
      await bench.run();
      const [task] = bench.tasks;
      const result = task.result;
      if (!('latency' in result)) throw new Error(`${name} was not timed`);
      samples[i].push(...(result.latency.samples ?? [result.latency.mean]).slice(0, maxRuns));
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
