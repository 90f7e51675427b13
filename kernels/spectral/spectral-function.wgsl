// f(λ) = g(min(max(λ, floor), ceiling)) and its divided differences f[a, b] = (f(a) − f(b)) / (a − b), f[a, a] = f′(a),
// without a cancelling difference: by the chain rule f[a, b] = g[a', b'] · clamp[a, b] with a', b' clamped.
// g: 0 the identity (ReEig), 1 log (LogEig, or ReEig and LogEig at once), 2 the square root.
// log[x, y] = (2 / (x + y)) atanh(z) / z with z = (x − y) / (x + y); by its series for |z| < 1/4, else by the quotient.
// Needs Params.floor and Params.ceiling; include ../common/value.wgsl and ../common/accurate-math.wgsl before.
const FUNCTION = 0u;

fn spectralValue(l: f32) -> f32 {
  let x = clamp(l, params.floor, params.ceiling);
  var y = x;
  if (FUNCTION == 1u) { y = accurateLog(x); }
  if (FUNCTION == 2u) { y = sqrt(x); }
  return select(y, l, magnitudeBits(l) > 0x7f800000u); // clamp would hide a NaN
}

fn dividedDifference(a: f32, b: f32) -> f32 {
  let x = clamp(a, params.floor, params.ceiling);
  let y = clamp(b, params.floor, params.ceiling);
  let inside = a > params.floor && a < params.ceiling;
  let clampPart = select((x - y) / (a - b), select(0.0, 1.0, inside), a == b);
  var inner = 1.0;
  if (FUNCTION == 1u) {
    let z = (x - y) / (x + y);
    let w = z * z;
    if (abs(z) < 0.25) {
      let series = 1.0 + w * (0.33333333 + w * (0.2 + w * (0.14285714 + w * (0.11111111 + w * 0.09090909))));
      inner = 2.0 / (x + y) * series;
    } else {
      inner = accurateLog(x / y) / (x - y);
    }
  }
  if (FUNCTION == 2u) { inner = 1.0 / (sqrt(x) + sqrt(y)); }
  return inner * clampPart;
}
