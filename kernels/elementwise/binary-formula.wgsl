// The operations of binary.wgsl, binary-vec4.wgsl and of fused chains (chain.ts), on a Value.
// #include "../common/extremes.wgsl"
/** x ∘ y by ∘'s index in BINARY_OPS (binary.ts). */
fn binaryOf(op: u32, x: Value, y: Value) -> Value {
  var z: Value;
  switch op {
    case 0u: { z = x + y; }
    case 1u: { z = x - y; }
    case 2u: { z = x * y; }
    case 3u: { z = x / y; }
    case 4u: { z = larger(x, y); }
    case 5u: { z = smaller(x, y); }
    case 6u: { z = select(select(Value(0.0), Value(0.5), x == y), Value(1.0), x > y); }
    default: { z = select(Value(0.0), Value(1.0), x == y); }
  }
  return z;
}
