// binary on equal shapes: out[i] = a[i] ∘ b[i], one vec4 per invocation; the tail lies in the buffers' padding.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "binary-formula.wgsl"

const OP = 0u; // as in binary.wgsl

struct Params { size: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> a: array<Value>;
@group(0) @binding(1) var<storage, read> b: array<Value>;
@group(0) @binding(2) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * WIDTH >= params.size) { return; }
  out[i] = binaryOf(OP, a[i], b[i]);
}
