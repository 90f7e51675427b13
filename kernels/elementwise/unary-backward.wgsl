// unary backward: out[i] = gradient[i] · f'(…), from f's input or its output, whichever unary.ts names as `saved`.
// One invocation computes one Value.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"
// #include "unary-backward-formula.wgsl"

const OP = 3u; // as in unary.wgsl

struct Params { size: u32, alpha: f32, beta: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<Value>;
@group(0) @binding(1) var<storage, read> saved: array<Value>;
@group(0) @binding(2) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * WIDTH >= params.size) { return; }
  out[i] = unaryBackwardOf(OP, gradient[i], saved[i], params.alpha, params.beta);
}
