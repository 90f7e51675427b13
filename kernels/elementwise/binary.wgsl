// binary: out = a ∘ b with broadcasting, over at most four (merged) dimensions.
// a and b are read through strides, 0 along a broadcast dimension. One invocation computes one Value; on vec4 an
// operand that is broadcast along the last dimension stays scalar (alias Left, Right) and d3 and strides count Values.
requires immediate_address_space;

// #include "../common/value.wgsl"

alias Left = f32;
alias Right = f32;

const OP = 0u; // as in BINARY_OPS, binary.ts

struct Params {
  values: u32,
  d1: u32, d2: u32, d3: u32,
  a0: u32, a1: u32, a2: u32, a3: u32,
  b0: u32, b1: u32, b2: u32, b3: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> a: array<Left>;
@group(0) @binding(1) var<storage, read> b: array<Right>;
@group(0) @binding(2) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.values) { return; }
  let i3 = i % params.d3;
  let r2 = i / params.d3;
  let i2 = r2 % params.d2;
  let r1 = r2 / params.d2;
  let i1 = r1 % params.d1;
  let i0 = r1 / params.d1;
  let x = Value(a[i0 * params.a0 + i1 * params.a1 + i2 * params.a2 + i3 * params.a3]);
  let y = Value(b[i0 * params.b0 + i1 * params.b1 + i2 * params.b2 + i3 * params.b3]);
  var z: Value;
  switch OP {
    case 0u: { z = x + y; }
    case 1u: { z = x - y; }
    case 2u: { z = x * y; }
    case 3u: { z = x / y; }
    case 4u: { z = max(x, y); }
    case 5u: { z = min(x, y); }
    case 6u: { z = select(select(Value(0.0), Value(0.5), x == y), Value(1.0), x > y); }
    default: { z = select(Value(0.0), Value(1.0), x == y); }
  }
  out[i] = z;
}
