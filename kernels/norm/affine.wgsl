// What the norm kernels share: x̂ = (x − mean) · rstd, v = x̂ · weight + bias, and the activation f(v) with slope `slope`
// below zero (0 ReLU, 1 none). The text around it has eps and slope in its Params.
const WEIGHT = false;
const BIAS = false;
const FIXED = false; // running statistics, which do not depend on x: rstd holds their variance

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> mean: array<Value>;
@group(0) @binding(2) var<storage, read> rstd: array<Value>;
@group(0) @binding(3) var<storage, read> weight: array<Value>;
@group(0) @binding(4) var<storage, read> bias: array<Value>;

struct Affine { mean: Value, rstd: Value, weight: Value, bias: Value }

/** Of channel `c`; `statistic` counts on over the groups. */
fn affineOf(statistic: u32, c: u32) -> Affine {
  var a = Affine(mean[statistic], rstd[statistic], Value(1.0), Value(0.0));
  if (FIXED) { a.rstd = Value(1.0) / sqrt(a.rstd + params.eps); }
  if (WEIGHT) { a.weight = weight[c]; }
  if (BIAS) { a.bias = bias[c]; }
  return a;
}

fn normalised(v: Value, a: Affine) -> Value { return (v - a.mean) * a.rstd; }

/** Before the activation, of x̂. */
fn shifted(n: Value, a: Affine) -> Value {
  var v = n;
  if (WEIGHT) { v *= a.weight; }
  if (BIAS) { v += a.bias; }
  return v;
}

fn activated(v: Value) -> Value { return select(params.slope * v, v, v > Value(0.0)); }

/** ∂L/∂v from ∂L/∂f(v). */
fn throughActivation(gradient: Value, v: Value) -> Value {
  return select(params.slope * gradient, gradient, v > Value(0.0));
}
