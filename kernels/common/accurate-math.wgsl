// exp, log, log1p, tanh, atanh, sigmoid with at most 2 ulp of error; the built-ins may be off by 60 ulp (exp) to 16 %
// (log near 1). Needs + - * / correctly rounded and nothing else; no fma. Works on Value: include value.wgsl before.
//
// exp: Cody–Waite reduction to |r| ≤ ln2/2, degree-7 polynomial (Cephes expf). log, log1p: x = 2^k (1 + f),
// s = f / (2 + f), odd polynomial in s (fdlibm logf, log1pf). atanh: the same polynomial. tanh: Cephes tanhf. NaN and infinities as in IEEE 754;
// the shader compiler folds x != x to false, so NaN is recognised by its bits.

// Through a variable: WGSL refuses constant expressions that are NaN or infinite.
fn fromBits(bits: u32) -> Value { var b = Uint(bits); return bitcast<Value>(b); }

fn accurateExp(x0: Value) -> Value {
  let x = clamp(x0, Value(-104.0), Value(89.0));
  let k = floor(x * 1.44269504 + 0.5);
  let r = (x - k * 0.693359375) - k * -2.12194440e-4;
  let z = r * r;
  var p = r * 1.9875691500e-4 + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  p = p * z + r + 1.0;
  // 2^k in two factors, each a normal number.
  let ki = Int(k);
  let k1 = ki / 2;
  let k2 = ki - k1;
  let y = p * bitcast<Value>((k1 + 127) << Uint(23u)) * bitcast<Value>((k2 + 127) << Uint(23u));
  return select(y, x0, magnitudeBits(x0) > Uint(0x7f800000u));
}

// 2 atanh(s) / s − 2 for |s| ≤ 0.2, an even polynomial.
fn atanhSeries(s: Value) -> Value {
  let z = s * s;
  let w = z * z;
  let t1 = w * (w * 0.24279078841 + 0.40000972152);
  let t2 = z * (w * 0.28498786688 + 0.66666662693);
  return t1 + t2;
}

// log(1 + f) + k ln2 + c, for 1 + f in [sqrt(1/2), sqrt(2)] and a small correction c.
fn logOfParts(f: Value, k: Value, c: Value) -> Value {
  let s = f / (f + 2.0);
  let hf = f * f * 0.5;
  return s * (hf + atanhSeries(s)) + (k * 9.0580006145e-6 + c) - hf + f + k * 6.9313812256e-1;
}

fn accurateLog(x0: Value) -> Value {
  // Below the least normal number x is its bits times 2^-149; GPUs take such an operand for 0.
  let u = bitsOf(x0);
  let small = u < Uint(0x00800000u);
  let x = select(x0, Value(u), small);
  let bits = bitcast<Int>(x) + (0x3f800000 - 0x3f3504f3);
  let k = Value((bits >> Uint(23u)) - 127) + select(Value(0.0), Value(-149.0), small);
  let f = bitcast<Value>((bits & Int(0x007fffff)) + 0x3f3504f3) - 1.0;
  var y = logOfParts(f, k, Value(0.0));
  y = select(y, x0, u >= Uint(0x7f800000u)); // +inf, NaN
  y = select(y, fromBits(0x7fc00000u), u > Uint(0x80000000u)); // negative
  return select(y, fromBits(0xff800000u), magnitudeBits(x0) == Uint(0u));
}

/** log(1 + x) without losing a small x. */
fn accurateLog1p(x: Value) -> Value {
  let u = x + 1.0;
  let bits = bitcast<Int>(u) + (0x3f800000 - 0x3f3504f3);
  let k = (bits >> Uint(23u)) - 127;
  let reduced = bitcast<Value>((bits & Int(0x007fffff)) + 0x3f3504f3) - 1.0;
  // What rounding 1 + x lost, relative to u.
  let lost = select(x - (u - 1.0), 1.0 - (u - x), k > Int(0)) / u;
  let near = k == Int(0);
  var y = logOfParts(select(reduced, x, near), Value(k), select(lost, Value(0.0), near));
  // Past 2^25 the 1 is lost, and so is `lost`; below 2^-25 log(1 + x) is x.
  y = select(y, accurateLog(x), x > Value(33554432.0));
  y = select(y, x, abs(x) < Value(2.9802322e-8));
  let b = bitsOf(x);
  y = select(y, fromBits(0xff800000u), b == Uint(0xbf800000u)); // -1
  y = select(y, fromBits(0x7fc00000u), b > Uint(0xbf800000u)); // below -1
  return select(y, x, (magnitudeBits(x) > Uint(0x7f800000u)) | (b == Uint(0x7f800000u)));
}

fn accurateTanh(x: Value) -> Value {
  let a = abs(x);
  let z = x * x;
  var p = z * -5.70498872745e-3 + 2.06390887954e-2;
  p = p * z - 5.37397155531e-2;
  p = p * z + 1.33314422036e-1;
  p = p * z - 3.33332819422e-1;
  p = p * z * x + x;
  let q = 1.0 - 2.0 / (accurateExp(min(a, Value(20.0)) * 2.0) + 1.0);
  let y = select(select(-q, q, x >= Value(0.0)), p, a < Value(0.625));
  // NaN, and what is below the least normal number, for which GPUs would take 0.
  let m = magnitudeBits(x);
  return select(y, x, (m > Uint(0x7f800000u)) | (m < Uint(0x00800000u)));
}

fn accurateAtanh(x: Value) -> Value {
  let a = abs(x);
  let near = a + 0.5 * a * atanhSeries(a);
  // atanh(a) = atanh(c) + atanh((a − c) / (1 − a c)), c = 1/5 below 0.3 and 1/3 above; atanh(c) in two parts.
  let low = a < Value(0.3);
  let s = select((a + (a + (a - 1.0))) / (3.0 - a), (4.0 * (a - 0.25) + a) / (5.0 - a), low);
  let high = select(Value(3.465576171875e-01), Value(2.026977539062e-01), low);
  let rest = select(Value(1.597309247264e-05), Value(3.480014783219e-05), low);
  let middle = high + (rest + 0.5 * s * atanhSeries(s) + s);
  let far = 0.5 * accurateLog1p((a + a) / (1.0 - a));
  let y = select(select(far, middle, a < Value(0.5)), near, a < Value(0.17));
  let signed = select(-y, y, x >= Value(0.0));
  return select(signed, x, magnitudeBits(x) < Uint(0x00800000u)); // as in tanh
}

fn accurateSigmoid(x: Value) -> Value {
  return 1.0 / (1.0 + accurateExp(-x));
}
