/** Which generated pictures to keep, and why the others go. */
import { ssim } from 'ssim.js';
import type { Candidate } from './candidates.ts';

/** What the automatic checks let through. */
export interface CheckOptions {
  /** Above it a picture counts as unchanged. Default 0.95. */
  readonly maxSimilarity: number;
  /** Least probability of the target class, where a classifier judges. Default 0.5. */
  readonly minTarget: number;
}

export interface SelectOptions extends CheckOptions {
  /** Pictures wanted. */
  readonly keep: number;
}

/** A person's word on a picture: keep it, or leave it out for a reason in a few words. */
export type Decision = { keep: true } | { keep: false; reason: string };

export interface Selection {
  readonly kept: readonly Candidate[];
  readonly discarded: readonly { readonly candidate: Candidate; readonly reason: string }[];
}

/** Begins the reason of a picture that nothing speaks against but that there was no need of, or no look at. */
export const spare = { enough: 'enough better ones', unseen: 'not reviewed' } as const;
/** Begins the reason of a picture that a person turned down. */
export const reviewed = 'in review';

/** Whether a picture that was discarded for this reason may be chosen the next time without a change of mind. */
export const isSpare = (reason: string): boolean => Object.values(spare).some((start) => reason.startsWith(start));

/** The kind of a reason, without the figures of its picture. */
export const reasonKind = (reason: string): string => (reason.startsWith(reviewed) ? reason : reason.split(':')[0]);

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

/** The best discriminator score first. */
export const byScore = (a: Candidate, b: Candidate): number =>
  b.discriminator - a.discriminator || (a.source < b.source ? -1 : 1);

/**
 * Drops pictures that hardly changed, that the classifier does not take for the target class, or that show no face;
 * of the rest the ones with the best discriminator score are kept.
 */
export function select(candidates: readonly Candidate[], options: SelectOptions): Selection {
  const { passed, dropped } = check(candidates, options);
  return { kept: passed.slice(0, options.keep), discarded: [...dropped, ...passed.slice(options.keep).map(enough)] };
}

/**
 * What a person decided, in the form in which the automatic choice is recorded. The checks' verdict stands where nobody
 * decided otherwise; pictures that nobody looked at stay out, and are offered again the next time.
 */
export function selectReviewed(
  candidates: readonly Candidate[],
  decisionOf: (candidate: Candidate) => Decision | undefined,
  options: SelectOptions,
): Selection {
  const is = (keep: boolean) => (candidate: Candidate) => decisionOf(candidate)?.keep === keep;
  const kept = candidates.filter(is(true)).sort(byScore);
  const { passed, dropped } = check(
    candidates.filter((candidate) => !decisionOf(candidate)),
    options,
  );
  const turnedDown = candidates
    .filter(is(false))
    .sort(byScore)
    .map((candidate) => {
      const decision = decisionOf(candidate);
      return { candidate, reason: `${reviewed}: ${decision && !decision.keep ? decision.reason : ''}` };
    });
  const spared = kept.length >= options.keep ? enough : unseen;
  return { kept, discarded: [...dropped, ...turnedDown, ...passed.map(spared)] };
}

function check(candidates: readonly Candidate[], options: CheckOptions) {
  const dropped: { candidate: Candidate; reason: string }[] = [];
  const passed: Candidate[] = [];
  for (const candidate of candidates) {
    const reason = complaint(candidate, options);
    if (reason) dropped.push({ candidate, reason });
    else passed.push(candidate);
  }
  return { dropped, passed: passed.sort(byScore) };
}

const enough = (candidate: Candidate) => ({
  candidate,
  reason: `${spare.enough}: discriminator score ${candidate.discriminator.toFixed(3)}`,
});

const unseen = (candidate: Candidate) => ({ candidate, reason: spare.unseen });

/** What the automatic checks have against a picture. */
export function complaint(candidate: Candidate, { maxSimilarity, minTarget }: CheckOptions): string | undefined {
  const { similarity: alike, target, face } = candidate;
  if (alike > maxSimilarity) return `unchanged: SSIM ${alike.toFixed(3)} with its source`;
  if (target !== undefined && target < minTarget)
    return `wrong expression: the classifier gives it ${target.toFixed(2)}`;
  if (face === false) return 'no face found in it';
  return undefined;
}
