/**
 * Covariance pooling, step by step on a small picture: forward, backward, gradient check, the fast path, one BiMap weight trained on its manifold.
 * Run it in a checkout: npx tsx examples/covariance-pooling.ts
 */
import {
  addInto,
  backward,
  covariance,
  covarianceLogEig,
  logEig,
  mean,
  openDevice,
  square,
  stiefelRetract,
  stiefelTangent,
  sub,
  type Tensor,
  tensor,
} from '../engine/node.ts';
import { clampedLog, covariance64, eigh64, spectralFunction } from '../test/spectral-truth.ts';

const device = await openDevice();
const [positions, channels] = [4, 6];

/** Features of a 2 × 2 picture after a ReLU: four positions, six channels. */
const x = Float32Array.from({ length: positions * channels }, (_, i) => Math.max(0, Math.sin(3.7 * i + 1) * 4 + 1));

const matrix = (values: ArrayLike<number>, columns: number): string =>
  Array.from({ length: values.length / columns }, (_, i) =>
    Array.from({ length: columns }, (_, j) => values[i * columns + j].toFixed(3).padStart(9)).join(''),
  ).join('\n');

console.log(`On ${device.name}\n`);

const a = covariance(tensor(x, [1, positions, channels]), { eps: 1e-4 });
const values = await a.floats();
console.log('1. A = C + ε tr(C) I, the channels’ covariance over the positions');
console.log(matrix(values, channels));

const spectrum = eigh64(values, channels).values.toSorted();
console.log(`\n2. Its eigenvalues. ${positions} positions give rank ${positions - 1}; the others sit at ε tr(C):`);
console.log([...spectrum].map((v) => v.toPrecision(4)).join('  '));

console.log('\n3. log A = U log(Λ) Uᵀ, a point of a flat space, where distances and averages make sense');
console.log(matrix(await logEig(a).floats(), channels));

/** The loss whose gradient is checked: Σ weights ∘ log A. */
const weights = Float32Array.from({ length: channels * channels }, (_, i) => Math.cos(2.3 * i));
async function gradientOf(forward: (features: Tensor) => Tensor): Promise<Float32Array> {
  const leaf = tensor(x, [1, positions, channels], { requiresGrad: true });
  backward(forward(leaf), tensor(weights, [1, channels, channels]));
  return (leaf.grad as Tensor).floats();
}
const throughMatrix = await gradientOf((features) => logEig(covariance(features)));
const lowRank = await gradientOf((features) => covarianceLogEig(features, []));
const loss = (at: number, step: number): number => {
  const moved = Float64Array.from(x);
  moved[at] += step;
  const y = spectralFunction(covariance64(moved, positions, channels), channels, clampedLog());
  return y.reduce((sum, v, i) => sum + v * weights[i], 0);
};
console.log('\n4. Gradient by the features, against central differences in float64');
console.log('   position channel    numeric   of logEig(covariance)   of the low-rank path');
for (let at = 0; at < x.length; at += 5) {
  const numeric = (loss(at, 1e-5) - loss(at, -1e-5)) / 2e-5;
  const place = `${String(Math.floor(at / channels)).padStart(11)} ${String(at % channels).padStart(7)}`;
  const columns = [numeric.toFixed(5), throughMatrix[at].toFixed(5), lowRank[at].toFixed(5)];
  console.log(`${place} ${columns[0].padStart(10)} ${columns[1].padStart(23)} ${columns[2].padStart(22)}`);
}
console.log('   (the first rounds A to 32 bits, which its small eigenvalues feel; the second never forms A)');

const largest = (m: Float32Array): number => Math.max(...m.map(Math.abs));
const weight = tensor(
  Float32Array.from({ length: channels * 3 }, (_, i) => Math.sin(5.1 * i)),
  [channels, 3],
);
stiefelRetract(weight);
const full = await covarianceLogEig(tensor(x, [1, positions, channels]), [weight], { path: 'full' }).floats();
const auto = await covarianceLogEig(tensor(x, [1, positions, channels]), [weight]).floats();
console.log('\n5. The head, BiMap to 3 × 3: every step as written, and with the provably idle work left out');
console.log(matrix(full, 3));
console.log(`   largest difference ${largest(full.map((v, i) => v - auto[i])).toExponential(1)}`);

console.log('\n6. A BiMap weight learns to make log(WᵀAW) the target; WᵀW stays I');
const target = tensor([1, 0.2, 0, 0.2, 0.5, 0, 0, 0, -0.5], [1, 3, 3]);
weight.requiresGrad = true;
for (let step = 0; step <= 60; step++) {
  const miss = mean(square(sub(covarianceLogEig(tensor(x, [1, positions, channels]), [weight]), target)));
  backward(miss);
  if (step % 20 === 0) {
    const w = await weight.floats();
    let worst = 0;
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) {
        let dot = i === j ? -1 : 0;
        for (let k = 0; k < channels; k++) dot += w[k * 3 + i] * w[k * 3 + j];
        worst = Math.max(worst, Math.abs(dot));
      }
    }
    console.log(
      `   step ${String(step).padStart(2)}: loss ${(await miss.item()).toFixed(4)}, |WᵀW − I| ${worst.toExponential(1)}`,
    );
  }
  addInto(weight, stiefelTangent(weight, weight.grad as Tensor), -0.02);
  stiefelRetract(weight);
  weight.grad?.dispose();
  weight.grad = undefined;
}
await device.close();
