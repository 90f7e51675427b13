/** Which generated pictures to keep, and why the others go. */
import { ssim } from 'ssim.js';

/** A generated picture with what is known of it. */
export interface Candidate {
  /** The picture it was made from, relative to the data set, and its subject. */
  readonly source: string;
  readonly subject: string;
  /** RGB bytes, size × size. */
  readonly pixels: Uint8Array;
  readonly size: number;
  /** Mean score of the target class's discriminator; higher looks more real. */
  readonly discriminator: number;
  /** SSIM with its source, −1 to 1. */
  readonly similarity: number;
  /** Probability of the target class by a classifier trained on real pictures, where one was given. */
  readonly target?: number;
  /** Whether a face was found, where a detector was asked. */
  readonly face?: boolean;
}

export interface SelectOptions {
  /** Pictures wanted. */
  readonly keep: number;
  /** Above it a picture counts as unchanged. Default 0.95. */
  readonly maxSimilarity: number;
  /** Least probability of the target class, where a classifier judges. Default 0.5. */
  readonly minTarget: number;
}

export interface Selection {
  readonly kept: readonly Candidate[];
  readonly discarded: readonly { readonly candidate: Candidate; readonly reason: string }[];
}

/** Structural similarity of two RGB pictures of one size (ssim.js). */
export function similarity(a: Uint8Array, b: Uint8Array, size: number): number {
  return ssim(toImage(a, size), toImage(b, size)).mssim;
}

function toImage(pixels: Uint8Array, size: number): ImageData {
  const data = new Uint8ClampedArray(size * size * 4);
  for (let i = 0; i < size * size; i++) {
    data.set(pixels.subarray(3 * i, 3 * i + 3), 4 * i);
    data[4 * i + 3] = 255;
  }
  return { data, width: size, height: size } as ImageData;
}

/**
 * Drops pictures that hardly changed, that the classifier does not take for the target class, or that show no face;
 * of the rest the ones with the best discriminator score are kept.
 */
export function select(candidates: readonly Candidate[], options: SelectOptions): Selection {
  const discarded: { candidate: Candidate; reason: string }[] = [];
  const passed: Candidate[] = [];
  for (const candidate of candidates) {
    const reason = complaint(candidate, options);
    if (reason) discarded.push({ candidate, reason });
    else passed.push(candidate);
  }
  passed.sort((a, b) => b.discriminator - a.discriminator || (a.source < b.source ? -1 : 1));
  for (const candidate of passed.slice(options.keep)) {
    discarded.push({
      candidate,
      reason: `enough better ones: discriminator score ${candidate.discriminator.toFixed(3)}`,
    });
  }
  return { kept: passed.slice(0, options.keep), discarded };
}

function complaint(candidate: Candidate, { maxSimilarity, minTarget }: SelectOptions): string | undefined {
  const { similarity: alike, target, face } = candidate;
  if (alike > maxSimilarity) return `unchanged: SSIM ${alike.toFixed(3)} with its source`;
  if (target !== undefined && target < minTarget)
    return `wrong expression: the classifier gives it ${target.toFixed(2)}`;
  if (face === false) return 'no face found in it';
  return undefined;
}
