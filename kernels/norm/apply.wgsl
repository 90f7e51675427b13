// norm apply: y = f((x − mean) · rstd · weight + bias) + residual. x, y, residual [groups, rows, channels]; mean, rstd
// [groups, channels]; weight, bias [channels]. One invocation: one Value in each of `chunk` rows, so that what belongs to the
// channel is loaded once.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "affine.wgsl"
const RESIDUAL = false;

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32, eps: f32, slope: f32 }
var<immediate> params: Params;

@group(0) @binding(5) var<storage, read> residual: array<Value>;
@group(0) @binding(6) var<storage, read_write> y: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.channels / WIDTH;
  if (index >= params.groups * params.chunks * channels) { return; }
  let block = index / channels;
  let c = index - block * channels;
  let group = block / params.chunks;
  let start = (block - group * params.chunks) * params.chunk;
  let a = affineOf(group * channels + c, c);
  let steps = min(params.chunk, params.rows - start);
  var at = (group * params.rows + start) * channels + c;
  for (var row = 0u; row < steps; row++) {
    var v = activated(shifted(normalised(x[at], a), a));
    if (RESIDUAL) { v += residual[at]; }
    y[at] = v;
    at += channels;
  }
}
