// binary: out = a ∘ b with broadcasting, over at most four (merged) dimensions.
// a and b are read through strides, 0 along a broadcast dimension. One invocation computes one Value; on vec4 an
// operand that is broadcast along the last dimension stays scalar (alias Left, Right) and d3 and strides count Values.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "binary-formula.wgsl"

alias Left = f32;
alias Right = f32;

const OP = 0u; // as in BINARY_OPS, binary.ts

struct Params {
  values: u32,
  d1: u32, d2: u32, d3: u32,
  a0: u32, a1: u32, a2: u32, a3: u32,
  b0: u32, b1: u32, b2: u32, b3: u32,
  walk: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> a: array<Left>;
@group(0) @binding(1) var<storage, read> b: array<Right>;
@group(0) @binding(2) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return params.values; }

fn element(i: u32) {
  let i3 = i % params.d3;
  let r2 = i / params.d3;
  let i2 = r2 % params.d2;
  let r1 = r2 / params.d2;
  let i1 = r1 % params.d1;
  let i0 = r1 / params.d1;
  let x = Value(a[i0 * params.a0 + i1 * params.a1 + i2 * params.a2 + i3 * params.a3]);
  let y = Value(b[i0 * params.b0 + i1 * params.b1 + i2 * params.b2 + i3 * params.b3]);
  out[i] = binaryOf(OP, x, y);
}

// #include "../common/elements.wgsl"
