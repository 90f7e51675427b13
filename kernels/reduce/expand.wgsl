// expand: out[o, l, i] = scale · x[o, i], the transpose of a sum over the middle dimension. One invocation loads one
// Source and writes it to `chunkLength` neighbours along l. `inner` counts Sources and `length` Values per Source: a row
// of inner 1 is written as vec4 from one scalar Source.
requires immediate_address_space;

// #include "../common/value.wgsl"

alias Source = f32;

struct Params { columns: u32, length: u32, inner: u32, chunks: u32, chunkLength: u32, scale: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Source>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.columns) { return; } // outer · chunks · inner
  let row = index / params.inner;
  let i = index - row * params.inner;
  let o = row / params.chunks;
  let start = (row - o * params.chunks) * params.chunkLength;
  let steps = min(params.chunkLength, params.length - start);
  let v = Value(x[o * params.inner + i]) * params.scale;
  var at = (o * params.length + start) * params.inner + i;
  for (var l = 0u; l < steps; l++) {
    out[at] = v;
    at += params.inner;
  }
}
