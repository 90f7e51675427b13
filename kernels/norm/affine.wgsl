// What norm kernels share that are given the statistics.
// #include "normalised.wgsl"
const FIXED = false; // running statistics, which do not depend on x: rstd holds their variance

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> mean: array<Value>;
@group(0) @binding(2) var<storage, read> rstd: array<Value>;
@group(0) @binding(3) var<storage, read> weight: array<Value>;
@group(0) @binding(4) var<storage, read> bias: array<Value>;

/** Of channel `c`; `statistic` counts on over the groups. */
fn affineOf(statistic: u32, c: u32) -> Affine {
  var a = Affine(mean[statistic], rstd[statistic], Value(1.0), Value(0.0));
  if (FIXED) { a.rstd = Value(1.0) / sqrt(a.rstd + params.eps); }
  if (WEIGHT) { a.weight = weight[c]; }
  if (BIAS) { a.bias = bias[c]; }
  return a;
}
