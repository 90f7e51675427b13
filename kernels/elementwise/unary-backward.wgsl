// unary backward: out[i] = gradient[i] · f'(…), from f's input or its output, whichever unary.ts names as `saved`.
// One invocation computes one Value.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"
// #include "unary-backward-formula.wgsl"

const OP = 3u; // as in unary.wgsl

struct Params { size: u32, alpha: f32, beta: f32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<Value>;
@group(0) @binding(1) var<storage, read> saved: array<Value>;
@group(0) @binding(2) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return (params.size + WIDTH - 1u) / WIDTH; }

fn element(i: u32) {
  out[i] = unaryBackwardOf(OP, gradient[i], saved[i], params.alpha, params.beta);
}

// #include "../common/elements.wgsl"
