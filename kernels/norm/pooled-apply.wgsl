// norm, activation and max pooling in one: out = max over the window of f((x − mean) · rstd · weight + bias).
// One invocation: one Value of `chunk` windows side by side; `rows` lines of windows.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "affine.wgsl"
// #include "pooled.wgsl"
// #include "../pool/walk.wgsl"

@group(0) @binding(5) var<storage, read_write> out: array<Value>;

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * LANES + lane;
  if (index >= params.rows * params.chunks * params.channels) { return; }
  let walk = walkOf(index);
  let a = affineOf(walk.c, walk.c);
  var at = windowAt(walk.line, params.outHeight, walk.start) + walk.c;
  var to = (walk.line * params.outWidth + walk.start) * params.channels + walk.c;
  let steps = min(params.chunk, params.outWidth - walk.start);
  for (var i = 0u; i < steps; i++) {
    out[to] = firstLargest(at, a).value;
    at += KW * params.channels;
    to += params.channels;
  }
}
