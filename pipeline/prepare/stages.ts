export type Stage = 'hash' | 'decode' | 'detect' | 'crop' | 'compare' | 'write';

/** Time spent in each stage, summed over files that are worked on at the same time. */
export class StageClock {
  readonly seconds: Record<Stage, number> = { hash: 0, decode: 0, detect: 0, crop: 0, compare: 0, write: 0 };

  async time<T>(stage: Stage, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.seconds[stage] += (performance.now() - start) / 1000;
    }
  }
}
