// norm backward, third pass: dx = weight · rstd · (g − S₁/rows − x̂ · S₂/rows), g and x̂ as in gradient-sums.wgsl.
// FIXED: dx = weight · rstd · g. One invocation: one Value in each of `chunk` rows.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "affine.wgsl"

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32, eps: f32, slope: f32 }
var<immediate> params: Params;

@group(0) @binding(5) var<storage, read> gradient: array<Value>;
@group(0) @binding(6) var<storage, read> sums: array<Value>;
@group(0) @binding(7) var<storage, read_write> dx: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.channels / WIDTH;
  if (index >= params.groups * params.chunks * channels) { return; }
  let block = index / channels;
  let c = index - block * channels;
  let group = block / params.chunks;
  let start = (block - group * params.chunks) * params.chunk;
  let statistic = group * channels + c;
  let a = affineOf(statistic, c);
  var s1 = Value(0.0);
  var s2 = Value(0.0);
  if (!FIXED) {
    s1 = sums[statistic] / f32(params.rows);
    s2 = sums[params.groups * channels + statistic] / f32(params.rows);
  }
  let steps = min(params.chunk, params.rows - start);
  var at = (group * params.rows + start) * channels + c;
  for (var row = 0u; row < steps; row++) {
    let n = normalised(x[at], a);
    var g = throughActivation(gradient[at], shifted(n, a));
    if (!FIXED) { g -= s1 + n * s2; }
    dx[at] = a.weight * a.rstd * g;
    at += channels;
  }
}
