import type { Compare, Gray } from './ssim.ts';

/** Two pictures and how alike they are; listed by --dry-run. */
export interface Pair {
  readonly name: string;
  readonly other: string;
  readonly score: number;
}

interface Kept extends Gray {
  readonly name: string;
}

/** So many kept faces are compared at once, before asking whether one was alike. */
const block = 32;

/**
 * The kept faces of one clip. A new face is dropped when its SSIM with any of them is above the threshold (paper,
 * section 2.1.2); since only kept faces are compared, a slow change over many frames still gives several pictures.
 */
export class SimilarFrames {
  /** Newest first, because the newest is the likeliest to be alike. */
  private readonly kept: Kept[] = [];
  private readonly compare: Compare;
  private readonly threshold: number;

  constructor(compare: Compare, threshold: number) {
    this.compare = compare;
    this.threshold = threshold;
  }

  /** Keeps the face, or returns the kept one that it is too like. */
  async add(name: string, face: Gray): Promise<Pair | undefined> {
    const alike = this.threshold < 1 ? await this.findAlike(name, face) : undefined;
    if (!alike) this.kept.unshift({ ...face, name });
    return alike;
  }

  private async findAlike(name: string, face: Gray): Promise<Pair | undefined> {
    for (let start = 0; start < this.kept.length; start += block) {
      const others = this.kept.slice(start, start + block);
      const scores = await this.compare(face, others);
      const pairs = others.map((other, i) => ({ name, other: other.name, score: scores[i] ?? 0 }));
      const best = pairs.reduce((a, b) => (b.score > a.score ? b : a));
      if (best.score > this.threshold) return best;
    }
    return undefined;
  }
}
