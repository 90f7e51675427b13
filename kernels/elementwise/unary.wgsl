// unary: out[i] = f(x[i]); f is picked by OP (unary.ts lists them), alpha and beta are its numbers.
// One invocation computes one Value; the tail past `size` lies in the buffers' padding.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"
// #include "unary-formula.wgsl"

const OP = 0u;

struct Params { size: u32, alpha: f32, beta: f32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return (params.size + WIDTH - 1u) / WIDTH; }

fn element(i: u32) {
  out[i] = unaryOf(OP, x[i], params.alpha, params.beta);
}

// #include "../common/elements.wgsl"
