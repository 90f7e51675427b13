/**
 * How far generated pictures are from real ones, by the features of a network: the Kernel Inception Distance (Bińkowski
 * et al. 2018, unbiased, polynomial kernel) and the Fréchet distance (Heusel et al. 2017), with other features than
 * Inception's, so that the figures compare runs of one extractor and nothing else.
 */
import { DataError } from '../../engine/index.ts';

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

interface Gaussian {
  readonly mean: Float64Array;
  readonly covariance: Float64Array;
}

function gaussian(f: Features): Gaussian {
  const { rows, width: d } = f;
  const mean = new Float64Array(d);
  for (let i = 0; i < rows; i++) for (let c = 0; c < d; c++) mean[c] += f.values[i * d + c] / rows;
  const covariance = new Float64Array(d * d);
  for (let i = 0; i < rows; i++) {
    for (let a = 0; a < d; a++) {
      const x = f.values[i * d + a] - mean[a];
      for (let b = 0; b <= a; b++) covariance[a * d + b] += (x * (f.values[i * d + b] - mean[b])) / (rows - 1);
    }
  }
  for (let a = 0; a < d; a++) for (let b = 0; b < a; b++) covariance[b * d + a] = covariance[a * d + b];
  return { mean, covariance };
}

/** Eigenvalues and eigenvectors (columns) of a symmetric matrix, by cyclic Jacobi in float64. */
function eigen(matrix: Float64Array, d: number): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix);
  const v = new Float64Array(d * d);
  for (let i = 0; i < d; i++) v[i * d + i] = 1;
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    let all = 0;
    for (let i = 0; i < d * d; i++) {
      all += a[i] ** 2;
      if (i % (d + 1) !== 0) off += a[i] ** 2;
    }
    if (off <= 1e-28 * all) break;
    for (let p = 0; p < d; p++) {
      for (let q = p + 1; q < d; q++) {
        const apq = a[p * d + q];
        if (apq === 0) continue;
        const theta = (a[q * d + q] - a[p * d + p]) / (2 * apq);
        const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(1 + theta * theta));
        const c = 1 / Math.sqrt(1 + t * t);
        const s = t * c;
        for (let i = 0; i < d; i++) {
          const x = a[i * d + p];
          const y = a[i * d + q];
          a[i * d + p] = c * x - s * y;
          a[i * d + q] = s * x + c * y;
          const vx = v[i * d + p];
          const vy = v[i * d + q];
          v[i * d + p] = c * vx - s * vy;
          v[i * d + q] = s * vx + c * vy;
        }
        for (let i = 0; i < d; i++) {
          const x = a[p * d + i];
          const y = a[q * d + i];
          a[p * d + i] = c * x - s * y;
          a[q * d + i] = s * x + c * y;
        }
      }
    }
  }
  return { values: Float64Array.from({ length: d }, (_, i) => a[i * d + i]), vectors: v };
}

/** ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½). */
export function frechetDistance(real: Features, generated: Features): number {
  const d = real.width;
  const [p, q] = [gaussian(real), gaussian(generated)];
  const { values, vectors } = eigen(p.covariance, d);
  // S = Σ₁^½ U, in the eigenbasis: M = Λ^½ Uᵀ Σ₂ U Λ^½ has the eigenvalues wanted.
  const m = new Float64Array(d * d);
  const half = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      let sum = 0;
      for (let k = 0; k < d; k++) sum += q.covariance[i * d + k] * vectors[k * d + j];
      half[i * d + j] = sum;
    }
  }
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      let sum = 0;
      for (let k = 0; k < d; k++) sum += vectors[k * d + i] * half[k * d + j];
      m[i * d + j] = sum * Math.sqrt(Math.max(0, values[i]) * Math.max(0, values[j]));
    }
  }
  const cross = eigen(m, d).values.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
  let distance = -2 * cross;
  for (let i = 0; i < d; i++) {
    distance += (p.mean[i] - q.mean[i]) ** 2 + p.covariance[i * d + i] + q.covariance[i * d + i];
  }
  return Math.max(0, distance);
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
    caveat: `${few} pictures against ${real.width} features: the Fréchet distance is biased upwards; trust the kernel distance, and only to compare runs.`,
  };
}
