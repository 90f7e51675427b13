// n / d for n < 2²⁴, by the reciprocal: rounding is off by one at most, and put right. On llvmpipe eight divisions of
// integers take 13 ns, this 4.
fn quotient(n: u32, d: u32) -> u32 {
  let q = i32(f32(n) * (1.0 / f32(d)));
  let rest = i32(n) - q * i32(d);
  return u32(q + select(0, 1, rest >= i32(d)) - select(0, 1, rest < 0));
}
