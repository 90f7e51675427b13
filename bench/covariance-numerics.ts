/**
 * How the gradient of LogEig is computed decides whether it is right: Loewner form, Ionescu's form, and Ionescu's form with infinities set to 0, on
 * covariances like the networks'. `npx tsx bench/covariance-numerics.ts` prints the table; `--write` puts it into docs/covariance-pooling.md.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { backward, logEig, openDevice, type Tensor, tensor } from '../engine/node.ts';
import { decompose } from '../engine/ops/eigh.ts';
import { clampedLog, covariance64, type Eigen, eigh64, product, spectralGradient } from '../test/spectral-truth.ts';

const CHANNELS = 256;
const log = clampedLog(1e-30, 1e30);

/** A small seeded generator of normal numbers; the table must not change from run to run. */
function normals(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform() + 1e-300)) * Math.cos(2 * Math.PI * uniform());
}

const filled = (n: number, next: () => number): Float64Array => Float64Array.from({ length: n }, next);

/** What a ReLU leaves: channels that are correlated and of different size. */
function features(positions: number, seed: number): Float64Array {
  const next = normals(seed);
  const mix = filled(CHANNELS * CHANNELS, next).map((v) => v / Math.sqrt(CHANNELS));
  const size = filled(CHANNELS, next).map((v) => Math.exp(v / 2));
  const x = product(filled(positions * CHANNELS, next), mix, positions, CHANNELS, CHANNELS);
  return x.map((v, at) => Math.max(0, v * size[at % CHANNELS] + 0.3));
}

/** Orthonormal columns by Gram–Schmidt, twice. */
function orthonormal(rows: number, columns: number, seed: number): Float64Array {
  const w = filled(rows * columns, normals(seed));
  for (let round = 0; round < 2; round++) {
    for (let c = 0; c < columns; c++) {
      for (let d = 0; d <= c; d++) {
        let dot = 0;
        for (let i = 0; i < rows; i++) dot += w[i * columns + c] * w[i * columns + d];
        for (let i = 0; i < rows; i++) {
          if (d < c) w[i * columns + c] -= dot * w[i * columns + d];
          else w[i * columns + c] /= Math.sqrt(dot);
        }
      }
    }
  }
  return w;
}

/** Ionescu et al. 2015: U { sym(Kᵀ ∘ (Uᵀ Ū)) + diag(Λ̄) } Uᵀ, K_ij = 1 / (λ_i − λ_j), 0 where that is not finite; `round` after every step. */
function ionescu({ values, vectors }: Eigen, gradient: ArrayLike<number>, round: (x: number) => number): Float64Array {
  const n = values.length;
  const f = values.map((v) => round(Math.log(v)));
  const rounded = (m: Float64Array): Float64Array => m.map(round);
  const symmetric = Float64Array.from({ length: n * n }, (_, at) =>
    round((gradient[at] + gradient[(at % n) * n + Math.floor(at / n)]) / 2),
  );
  const right = rounded(product(symmetric, vectors, n, n, n));
  const inner = rounded(product(vectors, right, n, n, n, true)); // Uᵀ sym(G) U
  const ofVectors = right.map((v, at) => round(2 * v * f[at % n])); // Ū = 2 sym(G) U f(Λ)
  const turned = rounded(product(vectors, ofVectors, n, n, n, true)); // Uᵀ Ū
  const middle = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (i === j) middle[i * n + i] = round(inner[i * n + i] / values[i]);
      else {
        const k = round(1 / round(values[j] - values[i])); // (Kᵀ)_ij with the sign that makes Ā = Uᵀ-side differences
        const one = Number.isFinite(k) ? round(k * turned[i * n + j]) : 0;
        const other = Number.isFinite(k) ? round(-k * turned[j * n + i]) : 0;
        middle[i * n + j] = round((one + other) / 2);
      }
    }
  }
  return rounded(product(rounded(product(vectors, middle, n, n, n)), vectors, n, n, n, false, true));
}

/** The divided difference as it is written, in f32, f′ only where the two eigenvalues are equal to the bit. */
function divided({ values, vectors }: Eigen, gradient: ArrayLike<number>): Float64Array {
  const f = {
    f: (x: number) => Math.fround(Math.log(x)),
    derivative: (x: number) => 1 / x,
  };
  const n = values.length;
  const symmetric = Float64Array.from({ length: n * n }, (_, at) => {
    return (gradient[at] + gradient[(at % n) * n + Math.floor(at / n)]) / 2;
  });
  const inner = product(product(vectors, symmetric, n, n, n, true), vectors, n, n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const [a, b] = [values[i], values[j]];
      inner[i * n + j] *= a === b ? f.derivative(a) : Math.fround(f.f(a) - f.f(b)) / Math.fround(a - b);
    }
  }
  return product(product(vectors, inner, n, n, n), vectors, n, n, n, false, true);
}

const largest = (m: ArrayLike<number>): number => Array.from(m).reduce((a, v) => Math.max(a, Math.abs(v)), 0);
const error = (found: ArrayLike<number>, truth: ArrayLike<number>): number =>
  largest(Array.from(found, (v, at) => v - truth[at])) / largest(truth);
const short = (x: number): string => (x >= 0.01 ? x.toPrecision(2) : x.toExponential(0));

const device = await openDevice();
const rows: string[][] = [];

async function study(name: string, label: string, a: Float64Array, n: number, seed: number): Promise<void> {
  const gradient = Float64Array.from(filled(n * n, normals(seed)), Math.fround);
  const truth = eigh64(a, n);
  const lowest = truth.values.reduce((m, v) => Math.min(m, v), Number.POSITIVE_INFINITY);
  const floor = truth.values.filter((v) => v < lowest * (1 + 1e-6)).length;
  const patched64 = error(
    ionescu(truth, gradient, (x) => x),
    spectralGradient(truth, gradient, log),
  );

  const single = Float64Array.from(a, Math.fround);
  const expected = spectralGradient(eigh64(single, n), gradient, log);
  const x = tensor(Float32Array.from(single), [1, n, n], { requiresGrad: true });
  backward(logEig(x, { floor: 0, ceiling: Number.POSITIVE_INFINITY }), tensor(Float32Array.from(gradient), [1, n, n]));
  const ours = error(await (x.grad as Tensor).floats(), expected);

  // The two other forms get the same eigenvalues and eigenvectors as ours.
  const { values, vectors } = decompose(x.detach());
  const byRows = await vectors.floats();
  const found: Eigen = {
    values: Float64Array.from(await values.floats()),
    vectors: Float64Array.from({ length: n * n }, (_, at) => byRows[(at % n) * n + Math.floor(at / n)]),
  };
  rows.push([
    name,
    label,
    String(floor),
    short(ours),
    short(error(divided(found, gradient), expected)),
    short(error(ionescu(found, gradient, Math.fround), expected)),
    short(patched64),
  ]);
}

const first = orthonormal(CHANNELS, 128, 11);
const second = orthonormal(128, 64, 12);
const reduced = (a: Float64Array, w: Float64Array, d: number, k: number): Float64Array =>
  product(product(w, a, k, d, d, true), w, k, d, k);

for (const [name, positions, sizes] of [
  ['12 × 12 positions', 144, [256, 128, 64]],
  ['7 × 7 positions', 49, [64]],
  ['3 × 3 positions', 9, [128, 64]],
] as const) {
  const full = covariance64(features(positions, positions), positions, CHANNELS);
  const half = reduced(full, first, CHANNELS, 128);
  const quarter = reduced(half, second, 128, 64);
  for (const size of sizes) {
    const matrix = { 256: full, 128: half, 64: quarter }[size];
    await study(name, size === 256 ? 'C, 256' : size === 128 ? 'BiMap, 128' : 'BiMap twice, 64', matrix, size, size);
  }
}

const head = [
  'input',
  'matrix',
  'eigenvalues at the floor',
  'Loewner, f32 (ours)',
  'divided difference, f32',
  'Ionescu, patched, f32',
  'Ionescu, patched, f64',
];
const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const table = [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
console.log(table);
if (process.argv.includes('--write')) {
  const file = new URL('../docs/covariance-pooling.md', import.meta.url);
  const text = readFileSync(file, 'utf8');
  const note = `Written by \`npx tsx bench/covariance-numerics.ts --write\` on ${device.name}, ${new Date().toISOString().slice(0, 10)}.`;
  writeFileSync(
    file,
    text.replace(
      /<!-- numerics -->[\s\S]*<!-- \/numerics -->/,
      `<!-- numerics -->\n${table}\n\n${note}\n<!-- /numerics -->`,
    ),
  );
}
await device.close();
