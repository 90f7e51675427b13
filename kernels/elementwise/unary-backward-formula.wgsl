// The derivatives of unary-backward.wgsl and of fused chains (chain.ts), on a Value.
fn powerDerivative(v: Value, exponent: f32) -> Value {
  if (exponent == 0.0) { return Value(0.0); } // also at 0
  if (exponent == 0.5) { return 0.5 / sqrt(v); }
  if (abs(exponent) <= 8.0 && exponent == floor(exponent)) {
    var y = Value(exponent);
    if (exponent > 0.0) {
      for (var i = 1u; i < u32(exponent); i++) { y *= v; }
    } else {
      for (var i = 0u; i <= u32(-exponent); i++) { y /= v; }
    }
    return y;
  }
  return exponent * accurateExp((exponent - 1.0) * accurateLog(v));
}

/** g · f′ by f's index in UNARY_OPS, from f's input or output, whichever unary.ts names as `saved`. */
fn unaryBackwardOf(op: u32, g: Value, v: Value, alpha: f32, beta: f32) -> Value {
  let zero = Value(0.0);
  var d: Value;
  switch op {
    case 2u: { d = -g * alpha / (v * v); }
    case 3u: { d = g * sign(v); }
    case 4u: { d = 2.0 * g * v; }
    case 5u: { d = 0.5 * g / v; }
    case 6u: { d = g * v; }
    case 7u: { d = g / v; }
    case 8u: { d = g * powerDerivative(v, alpha); }
    case 9u: { d = select(zero, g, (v >= Value(alpha)) & (v <= Value(beta))); }
    case 10u: { d = select(zero, g, v > zero); }
    case 11u: { d = select(g * alpha, g, v > zero); }
    case 12u: { d = g * (1.0 - v * v); }
    default: { d = g * v * (1.0 - v); }
  }
  return d;
}
