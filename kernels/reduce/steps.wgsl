// What the rungs of reduce take of an element, and how they join two results. Works on Value: include value.wgsl and extremes.wgsl before.
const OP = 0u;  // 0 sum, 1 maximum, 2 minimum
const MAP = 0u; // 0 x, 1 x · y, 2 |x − y|, 3 (x − y)²

fn mapped(i: u32) -> Value {
  switch MAP {
    case 0u: { return x[i]; }
    case 1u: { return x[i] * y[i]; }
    case 2u: { return abs(x[i] - y[i]); }
    default: { let d = x[i] - y[i]; return d * d; }
  }
}

fn join(a: Value, b: Value) -> Value {
  switch OP {
    case 0u: { return a + b; }
    case 1u: { return larger(a, b); }
    default: { return smaller(a, b); }
  }
}
