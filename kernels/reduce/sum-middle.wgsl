// sumMiddle: out[o][i] = Σ_s source[o][s][i], s ascending. One invocation computes one element.
requires immediate_address_space;

struct Params { outer: u32, middle: u32, inner: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.outer * params.inner) { return; }
  let o = index / params.inner;
  var at = o * params.middle * params.inner + index % params.inner;
  var sum = 0.0;
  for (var s = 0u; s < params.middle; s++) {
    sum += source[at];
    at += params.inner;
  }
  out[index] = sum;
}
