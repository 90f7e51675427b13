// expand: out[o, l, i] = scale · x[o, i], the transpose of a sum over the middle dimension. One invocation writes one
// Value; `inner` (in Sources) and `length` count Values. A row of inner 1 is written as vec4 from one scalar Source.
requires immediate_address_space;

// #include "../common/value.wgsl"

alias Source = f32;

struct Params { values: u32, length: u32, inner: u32, scale: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Source>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.values) { return; }
  let row = index / params.inner;
  let i = index - row * params.inner;
  out[index] = Value(x[row / params.length * params.inner + i]) * params.scale;
}
