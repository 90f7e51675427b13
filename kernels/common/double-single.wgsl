// Unevaluated sums hi + lo of two f32, about 48 bits (Dekker 1971; Knuth's two-sum). Needs + - * / rounded to nearest;
// contraction to fma does no harm. Shader compilers (Mesa's NIR, for one) rewrite (a + b) − a to b, which would leave
// every low part 0: `opaque` hides a sum behind an xor with params.zero, a u32 that the host sets to 0.
// Works on Value: include value.wgsl before, and have `zero: u32` in Params.

struct Double { hi: Value, lo: Value }

fn opaque(x: Value) -> Value { return bitcast<Value>(bitcast<Uint>(x) ^ Uint(params.zero)); }

/** a + b exactly. */
fn twoSum(a: Value, b: Value) -> Double {
  let s = opaque(a + b);
  let t = opaque(s - a);
  return Double(s, (a - opaque(s - t)) + (b - t));
}

/** a + b exactly, for |a| ≥ |b|. */
fn quickTwoSum(a: Value, b: Value) -> Double {
  let s = opaque(a + b);
  return Double(s, b - (s - a));
}

/** a · b exactly: halves of 12 bits, whose products are exact. */
fn twoProduct(a: Value, b: Value) -> Double {
  let p = a * b;
  let ah = bitcast<Value>(bitcast<Uint>(a) & Uint(0xfffff000u));
  let bh = bitcast<Value>(bitcast<Uint>(b) & Uint(0xfffff000u));
  let al = a - ah;
  let bl = b - bh;
  return Double(p, ((ah * bh - p) + ah * bl + al * bh) + al * bl);
}

/** sum − a · b. */
fn subtractProduct(sum: Double, a: Double, b: Double) -> Double {
  let p = twoProduct(a.hi, b.hi);
  let s = twoSum(sum.hi, -p.hi);
  return quickTwoSum(s.hi, s.lo + (sum.lo - (p.lo + (a.hi * b.lo + a.lo * b.hi))));
}

fn doubleSqrt(a: Double) -> Double {
  let y = sqrt(a.hi);
  let p = twoProduct(y, y);
  return quickTwoSum(y, ((a.hi - p.hi) - p.lo + a.lo) / (y + y));
}

fn doubleQuotient(a: Double, b: Double) -> Double {
  let q = a.hi / b.hi;
  let p = twoProduct(q, b.hi);
  return quickTwoSum(q, ((a.hi - p.hi) - p.lo + a.lo - q * b.lo) / b.hi);
}
