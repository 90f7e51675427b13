/** Float64 truth of the spectral layers on the CPU, one matrix at a time, row-major. Written from the formulas, not from the kernels. */

export interface Eigen {
  readonly values: Float64Array;
  /** Eigenvectors as columns. */
  readonly vectors: Float64Array;
}

/** Cyclic two-sided Jacobi until the off-diagonal part is gone to the last digit. */
export function eigh64(matrix: ArrayLike<number>, n: number): Eigen {
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) a[i * n + j] = (matrix[i * n + j] + matrix[j * n + i]) / 2;
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  for (let sweep = 0; sweep < 40; sweep++) {
    let rotations = 0;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const apq = a[p * n + q];
        const app = a[p * n + p];
        const aqq = a[q * n + q];
        if (Math.abs(apq) <= 1e-17 * Math.sqrt(Math.abs(app * aqq)) || Math.abs(apq) < 1e-150) continue;
        rotations++;
        const theta = (aqq - app) / (2 * apq);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(1 + theta * theta));
        const c = 1 / Math.sqrt(1 + t * t);
        const s = t * c;
        for (let i = 0; i < n; i++) {
          const x = a[i * n + p];
          const y = a[i * n + q];
          a[i * n + p] = c * x - s * y;
          a[i * n + q] = s * x + c * y;
        }
        for (let i = 0; i < n; i++) {
          const x = a[p * n + i];
          const y = a[q * n + i];
          a[p * n + i] = c * x - s * y;
          a[q * n + i] = s * x + c * y;
          const u = v[i * n + p];
          const w = v[i * n + q];
          v[i * n + p] = c * u - s * w;
          v[i * n + q] = s * u + c * w;
        }
        a[p * n + q] = 0;
        a[q * n + p] = 0;
      }
    }
    if (rotations === 0) break;
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]), vectors: v };
}

/** left [m, k] · right [k, n], either transposed. */
export function product(
  left: ArrayLike<number>,
  right: ArrayLike<number>,
  m: number,
  k: number,
  n: number,
  transposeLeft = false,
  transposeRight = false,
): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) {
        sum += left[transposeLeft ? l * m + i : i * k + l] * right[transposeRight ? j * k + l : l * n + j];
      }
      out[i * n + j] = sum;
    }
  }
  return out;
}

/** A scalar function with its derivative. */
export interface Scalar {
  readonly f: (x: number) => number;
  readonly derivative: (x: number) => number;
}

const inside = (x: number, floor: number, ceiling: number): boolean => x > floor && x < ceiling;
const clamp = (x: number, floor: number, ceiling: number): number => Math.min(Math.max(x, floor), ceiling);

export const clampedLog = (floor = 1e-4, ceiling = 1e4): Scalar => ({
  f: (x) => Math.log(clamp(x, floor, ceiling)),
  derivative: (x) => (inside(x, floor, ceiling) ? 1 / x : 0),
});
export const clamped = (floor = 1e-4, ceiling = 1e4): Scalar => ({
  f: (x) => clamp(x, floor, ceiling),
  derivative: (x) => Number(inside(x, floor, ceiling)),
});
export const clampedSqrt = (floor = 1e-4, ceiling = 1e4): Scalar => ({
  f: (x) => Math.sqrt(clamp(x, floor, ceiling)),
  derivative: (x) => (inside(x, floor, ceiling) ? 0.5 / Math.sqrt(x) : 0),
});

/** f(A) = U f(Λ) Uᵀ. */
export function spectralFunction(matrix: ArrayLike<number>, n: number, { f }: Scalar): Float64Array {
  const { values, vectors } = eigh64(matrix, n);
  const scaled = vectors.map((u, at) => u * f(values[at % n]));
  return product(scaled, vectors, n, n, n, false, true);
}

/** U [L ∘ (Uᵀ sym(G) U)] Uᵀ, L the divided differences of f; where two eigenvalues agree to 1e-9, f′ at their middle. */
export function spectralGradient(
  { values, vectors }: Eigen,
  gradient: ArrayLike<number>,
  { f, derivative }: Scalar,
): Float64Array {
  const n = values.length;
  const symmetric = Float64Array.from({ length: n * n }, (_, at) => {
    return (gradient[at] + gradient[(at % n) * n + Math.floor(at / n)]) / 2;
  });
  const inner = product(product(vectors, symmetric, n, n, n, true), vectors, n, n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const [a, b] = [values[i], values[j]];
      const close = Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
      inner[i * n + j] *= close ? derivative((a + b) / 2) : (f(a) - f(b)) / (a - b);
    }
  }
  return product(product(vectors, inner, n, n, n), vectors, n, n, n, false, true);
}

/** C + ε tr(C) I of x [positions, channels]. */
export function covariance64(x: ArrayLike<number>, positions: number, channels: number, eps = 1e-4): Float64Array {
  const centred = new Float64Array(positions * channels);
  for (let c = 0; c < channels; c++) {
    let mean = 0;
    for (let i = 0; i < positions; i++) mean += x[i * channels + c] / positions;
    for (let i = 0; i < positions; i++) {
      centred[i * channels + c] = (x[i * channels + c] - mean) / Math.sqrt(positions - 1);
    }
  }
  const out = product(centred, centred, channels, positions, channels, true);
  let trace = 0;
  for (let i = 0; i < channels; i++) trace += out[i * channels + i];
  for (let i = 0; i < channels; i++) out[i * channels + i] += eps * trace;
  return out;
}
