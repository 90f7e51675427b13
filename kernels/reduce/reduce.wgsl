// reduce: out[o, c, i] = scale · ⊕ over l in chunk c of map(x[o, l, i], y[o, l, i]), ⊕ a sum, maximum or minimum.
// x is seen as [outer, length, inner]; one invocation walks one chunk of one column in order, so the result depends on
// the shape alone. `inner` and the columns are in Values.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/extremes.wgsl"
// #include "steps.wgsl"

struct Params { columns: u32, length: u32, inner: u32, chunks: u32, chunkLength: u32, scale: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> y: array<Value>;
@group(0) @binding(2) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.columns) { return; } // columns = outer · chunks · inner
  let row = index / params.inner;
  let i = index - row * params.inner;
  let o = row / params.chunks;
  let start = (row - o * params.chunks) * params.chunkLength;
  let steps = min(params.chunkLength, params.length - start);
  var at = (o * params.length + start) * params.inner + i;
  var sum = mapped(at);
  for (var l = 1u; l < steps; l++) {
    at += params.inner;
    sum = join(sum, mapped(at));
  }
  out[index] = sum * params.scale;
}
