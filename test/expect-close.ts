import { expect, type TaskMeta, TestRunner } from 'vitest';
import type { DeviceTraits } from '../kernels/kernel.ts';

/** What a test leaves for the reporter: the largest share of a tolerance it used, and by which comparison. */
export interface ToleranceMeta extends TaskMeta {
  tolerance?: { share: number; label: string; comparisons: number };
}

export interface Tolerance {
  /** Relative part, times |expected|. Default 1.3e-6, as in PyTorch's assert_close for float32. */
  rtol?: number;
  /** Absolute part. Default 1e-5, as in PyTorch. */
  atol?: number;
  /** What is compared, e.g. 'conv2d weight gradient'; stands in the error and in the file's summary line. */
  label?: string;
}

/**
 * Fails unless |actual[i] − expected[i]| ≤ atol + rtol·|expected[i]| for every i. NaN on either side fails, as do
 * lengths that differ; an infinity equals only itself. Returns the share of the tolerance used (1 = all of it), which
 * the reporter sums up in one line per test file.
 */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: Tolerance = {}): number {
  const { rtol = 1.3e-6, atol = 1e-5, label = 'values' } = tolerance;
  if (actual.length !== expected.length) {
    throw new Error(`${label}: ${actual.length} values found, ${expected.length} expected`);
  }
  let worst = -1;
  let share = 0;
  let outside = 0;
  for (let i = 0; i < expected.length; i++) {
    const used = shareUsed(Number(actual[i]), Number(expected[i]), rtol, atol);
    if (used > 1) outside++;
    if (used > share) {
      share = used;
      worst = i;
    }
  }
  if (outside > 0) {
    const a = Number(actual[worst]);
    const e = Number(expected[worst]);
    const error = Math.abs(a - e);
    throw new Error(
      `${label}: ${outside} of ${expected.length} values outside rtol ${rtol}, atol ${atol}\n` +
        `  worst at index ${worst}: actual ${a}, expected ${e}\n` +
        `  absolute error ${error.toExponential(3)}, relative ${(error / Math.abs(e)).toExponential(3)}, ` +
        `${(share * 100).toFixed(0)} % of the tolerance`,
    );
  }
  record(share, label);
  return share;
}

/**
 * The same formula in two texts: to the bit on llvmpipe, which rounds every operation; elsewhere but for rounding, since a
 * compiler may contract a · b + c in one text and not in the other. `atol`: of values of about 1 that cancel.
 */
export function expectSame(actual: Float32Array, expected: Float32Array, { family }: Pick<DeviceTraits, 'family'>) {
  if (family === 'lanes') expect(actual).toEqual(expected);
  else expectClose(actual, expected, { rtol: 1e-6, atol: 1e-6 });
}

/** 0 when equal, 1 at the edge of the tolerance, Infinity for NaN and for unequal infinities. */
function shareUsed(actual: number, expected: number, rtol: number, atol: number): number {
  if (Number.isNaN(actual) || Number.isNaN(expected)) return Infinity;
  if (actual === expected) return 0;
  const allowed = atol + rtol * Math.abs(expected);
  const error = Math.abs(actual - expected);
  return Number.isFinite(error) && allowed > 0 ? error / allowed : Infinity;
}

function record(share: number, label: string): void {
  const meta: ToleranceMeta | undefined = TestRunner.getCurrentTest()?.meta;
  if (!meta) return;
  const before = meta.tolerance ?? { share: -1, label, comparisons: 0 };
  const worse = share > before.share ? { share, label } : before;
  meta.tolerance = { share: worse.share, label: worse.label, comparisons: before.comparisons + 1 };
}
