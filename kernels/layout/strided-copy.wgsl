// strided copy: out[outOffset + Σ i_k · o_k] = x[xOffset + Σ i_k · x_k] over four (merged) dimensions, the last two
// index digits innermost. Offsets and strides in Values. One invocation copies one Value, bits of whatever type.
requires immediate_address_space;

// #include "../common/value.wgsl"

struct Params {
  values: u32,
  d1: u32, d2: u32, d3: u32,
  xOffset: u32, x0: u32, x1: u32, x2: u32, x3: u32,
  outOffset: u32, o0: u32, o1: u32, o2: u32, o3: u32,
  walk: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return params.values; }

fn element(i: u32) {
  let r2 = i / params.d3;
  let i3 = i - r2 * params.d3;
  let r1 = r2 / params.d2;
  let i2 = r2 - r1 * params.d2;
  let i0 = r1 / params.d1;
  let i1 = r1 - i0 * params.d1;
  let source = params.xOffset + i0 * params.x0 + i1 * params.x1 + i2 * params.x2 + i3 * params.x3;
  let destination = params.outOffset + i0 * params.o0 + i1 * params.o1 + i2 * params.o2 + i3 * params.o3;
  out[destination] = x[source];
}

// #include "../common/elements.wgsl"
