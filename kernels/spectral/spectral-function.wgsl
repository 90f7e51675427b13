// f(λ) = g(min(max(λ, floor), ceiling)) and its divided differences f[a, b] = (f(a) − f(b)) / (a − b), f[a, a] = f′(a),
// without a cancelling difference: by the chain rule f[a, b] = g[a', b'] · clamp[a, b] with a', b' clamped.
// g: 0 the identity (ReEig), 1 log (LogEig, or ReEig and LogEig at once), 2 the square root.
// log[x, y] = (2 / (x + y)) atanh(z) / z with z = (x − y) / (x + y); by its series for |z| < 1/4, else by the quotient.
// Works on Value. Needs Params.floor and Params.ceiling; include ../common/value.wgsl and ../common/accurate-math.wgsl before.
const FUNCTION = 0u;

fn clamped(l: Value) -> Value { return clamp(l, Value(params.floor), Value(params.ceiling)); }

fn spectralValue(l: Value) -> Value {
  let x = clamped(l);
  var y = x;
  if (FUNCTION == 1u) { y = accurateLog(x); }
  if (FUNCTION == 2u) { y = sqrt(x); }
  return select(y, l, magnitudeBits(l) > Uint(0x7f800000u)); // clamp would hide a NaN
}

fn dividedDifference(a: Value, b: Value) -> Value {
  let x = clamped(a);
  let y = clamped(b);
  let inside = select(select(Value(0.0), Value(1.0), a < Value(params.ceiling)), Value(0.0), a <= Value(params.floor));
  let clampPart = select((x - y) / (a - b), inside, a == b);
  var inner = Value(1.0);
  if (FUNCTION == 1u) {
    let z = (x - y) / (x + y);
    let w = z * z;
    let series = (((((w * 0.09090909 + 0.11111111) * w + 0.14285714) * w + 0.2) * w + 0.33333333) * w + 1.0) * 2.0 / (x + y);
    inner = select(accurateLog(x / y) / (x - y), series, abs(z) < Value(0.25));
  }
  if (FUNCTION == 2u) { inner = 1.0 / (sqrt(x) + sqrt(y)); }
  return inner * clampPart;
}
