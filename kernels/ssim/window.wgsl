// The similarity of two windows of 11×11 bytes (Wang et al. 2004, eq. 13) from their sums, as ssim.js computes it: equal
// weights, biased variance, variance and covariance cut down to multiples of 1/1024. The differences are taken in
// integers, where they are exact: 121 · 121 · 255² < 2³⁰.
const N = 121u;
const C1 = 6.5025; // (0.01 · 255)²
const C2 = 58.5225; // (0.03 · 255)²

fn similarity(a: vec4u, b: vec4u, aa: vec4u, bb: vec4u, ab: vec4u) -> vec4f {
  let scale = 1024.0 / 14641.0;
  let varianceA = trunc(vec4f(N * aa - a * a) * scale) / 1024.0;
  let varianceB = trunc(vec4f(N * bb - b * b) * scale) / 1024.0;
  let covariance = trunc(vec4f(vec4i(N * ab) - vec4i(a * b)) * scale) / 1024.0;
  let meanA = vec4f(a) / 121.0;
  let meanB = vec4f(b) / 121.0;
  return (2.0 * meanA * meanB + C1) * (2.0 * covariance + C2)
    / ((meanA * meanA + meanB * meanB + C1) * (varianceA + varianceB + C2));
}
