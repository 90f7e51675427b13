// What the norm kernels share: x̂ = (x − mean) · rstd, v = x̂ · weight + bias, and the activation f(v) with slope `slope`
// below zero (0 ReLU, 1 none). The text around it has eps and slope in its Params.
const WEIGHT = false;
const BIAS = false;

struct Affine { mean: Value, rstd: Value, weight: Value, bias: Value }

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
