// The functions of unary.wgsl and of fused chains (chain.ts), on a Value. NaN stays NaN: max() and clamp() would give a number.
fn integerPower(v: Value, exponent: u32) -> Value {
  var y = Value(1.0);
  for (var i = 0u; i < exponent; i++) { y *= v; }
  return y;
}

fn power(v: Value, exponent: f32) -> Value {
  if (exponent == 0.5) { return sqrt(v); }
  if (abs(exponent) <= 8.0 && exponent == floor(exponent)) {
    let y = integerPower(v, u32(abs(exponent)));
    if (exponent < 0.0) { return 1.0 / y; }
    return y;
  }
  return accurateExp(exponent * accurateLog(v));
}

/** f(v) by its index in UNARY_OPS (unary.ts). */
fn unaryOf(op: u32, v: Value, alpha: f32, beta: f32) -> Value {
  switch op {
    case 0u: { return v * alpha + beta; }
    case 1u: { return v / alpha; }
    case 2u: { return alpha / v; }
    case 3u: { return abs(v); }
    case 4u: { return v * v; }
    case 5u: { return sqrt(v); }
    case 6u: { return accurateExp(v); }
    case 7u: { return accurateLog(v); }
    case 8u: { return power(v, alpha); }
    case 9u: { return select(select(v, Value(alpha), v < Value(alpha)), Value(beta), v > Value(beta)); }
    case 10u: { return select(v, Value(0.0), v < Value(0.0)); }
    case 11u: { return select(v * alpha, v, v > Value(0.0)); }
    case 12u: { return accurateTanh(v); }
    case 13u: { return accurateSigmoid(v); }
    default: { return 1.0 / sqrt(v + alpha); }
  }
}
