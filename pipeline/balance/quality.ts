/**
 * How far generated pictures are from real ones, by the features of a network: the Kernel Inception Distance (Bińkowski
 * et al. 2018, unbiased, polynomial kernel) and the Fréchet distance (Heusel et al. 2017), with other features than
 * Inception's, so that the figures compare runs of one extractor and nothing else.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { DataError } from '../../engine/index.ts';
import { plural } from '../plural.ts';

/** Rows of `width` features each. */
export interface Features {
  readonly rows: number;
  readonly width: number;
  readonly values: Float64Array;
}

export interface Quality {
  /** Squared maximum mean discrepancy; unbiased, so it may be slightly negative. */
  readonly kernelDistance: number;
  readonly frechetDistance: number;
  readonly real: number;
  readonly generated: number;
  /** What to think of the figures, where the samples are few. */
  readonly caveat?: string;
}

const row = (f: Features, i: number): Float64Array => f.values.subarray(i * f.width, (i + 1) * f.width);

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Unbiased MMD² under k(x, y) = (x·y / d + 1)³. */
export function kernelDistance(real: Features, generated: Features): number {
  const k = (a: Float64Array, b: Float64Array): number => (dot(a, b) / real.width + 1) ** 3;
  const within = (f: Features): number => {
    let sum = 0;
    for (let i = 0; i < f.rows; i++) for (let j = 0; j < i; j++) sum += 2 * k(row(f, i), row(f, j));
    return sum / (f.rows * (f.rows - 1));
  };
  let across = 0;
  for (let i = 0; i < real.rows; i++)
    for (let j = 0; j < generated.rows; j++) across += k(row(real, i), row(generated, j));
  return within(real) + within(generated) - (2 * across) / (real.rows * generated.rows);
}

/** Mean and unbiased covariance of the rows. */
function gaussian(f: Features): { mean: number[]; covariance: Matrix } {
  const x = Matrix.from1DArray(f.rows, f.width, f.values);
  const mean = x.mean('column');
  const centred = x.subRowVector(mean);
  return {
    mean,
    covariance: centred
      .transpose()
      .mmul(centred)
      .div(f.rows - 1),
  };
}

const roots = (values: readonly number[]): number[] => values.map((value) => Math.sqrt(Math.max(0, value)));

/** ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½). */
export function frechetDistance(real: Features, generated: Features): number {
  const [p, q] = [gaussian(real), gaussian(generated)];
  const { realEigenvalues, eigenvectorMatrix: u } = new EigenvalueDecomposition(p.covariance, {
    assumeSymmetric: true,
  });
  // In Σ₁'s eigenbasis Σ₁^½ is diagonal: Λ^½ Uᵀ Σ₂ U Λ^½ has the eigenvalues wanted.
  const half = roots(realEigenvalues);
  const product = u.transpose().mmul(q.covariance).mmul(u).mulColumnVector(half).mulRowVector(half);
  const cross = new EigenvalueDecomposition(product, { assumeSymmetric: true }).realEigenvalues;
  const between = p.mean.reduce((sum, value, i) => sum + (value - q.mean[i]) ** 2, 0);
  const trace = roots(cross).reduce((sum, value) => sum + value, 0);
  return Math.max(0, between + p.covariance.trace() + q.covariance.trace() - 2 * trace);
}

/** Both distances, with the caveat that small samples need. */
export function quality(real: Features, generated: Features): Quality {
  if (real.width !== generated.width || real.rows < 2 || generated.rows < 2) {
    throw new DataError(
      `Features of ${real.rows}×${real.width} and ${generated.rows}×${generated.width} cannot be compared.`,
      {
        remedy: 'At least two pictures of each kind are needed, seen by one extractor.',
      },
    );
  }
  const few = Math.min(real.rows, generated.rows);
  const result = {
    kernelDistance: kernelDistance(real, generated),
    frechetDistance: frechetDistance(real, generated),
    real: real.rows,
    generated: generated.rows,
  };
  // The Fréchet distance of n samples is biased upwards by about tr Σ / n and needs n well above the width.
  if (few >= 10 * real.width && few >= 2048) return result;
  return {
    ...result,
    caveat: `${plural(few, 'picture')} against ${real.width} features: the Fréchet distance is biased upwards; trust the kernel distance, and only to compare runs`,
  };
}

/** The distances in one line, with their caveat. */
export function describeQuality({ kernelDistance, frechetDistance, real, generated, caveat }: Quality): string {
  const figures = `kernel distance ${kernelDistance.toPrecision(3)}, Fréchet distance ${frechetDistance.toPrecision(3)}`;
  return `${figures} (${generated} generated, ${real} real${caveat ? `; ${caveat}` : ''})`;
}
