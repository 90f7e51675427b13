// binary on equal shapes: out[i] = a[i] ∘ b[i], one vec4 per invocation; the tail lies in the buffers' padding.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "binary-formula.wgsl"

const OP = 0u; // as in binary.wgsl

struct Params { size: u32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> a: array<Value>;
@group(0) @binding(1) var<storage, read> b: array<Value>;
@group(0) @binding(2) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return (params.size + WIDTH - 1u) / WIDTH; }

fn element(i: u32) {
  out[i] = binaryOf(OP, a[i], b[i]);
}

// #include "../common/elements.wgsl"
