// Extremes that are NaN where an operand is, as PyTorch's: max() and min() would give the other, and a network whose weights
// are NaN a finite loss. Works on Value: include value.wgsl before.
const INFINITE = Uint(0x7f800000u);

fn larger(a: Value, b: Value) -> Value { return select(a, b, (b > a) | (magnitudeBits(b) > INFINITE)); }

fn smaller(a: Value, b: Value) -> Value { return select(a, b, (b < a) | (magnitudeBits(b) > INFINITE)); }
