// softmax backward as in softmax-backward.wgsl, for GPUs: a workgroup computes one row.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"
// #include "team.wgsl"

const LOGARITHM = false;

struct Params { rows: u32, length: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.y * count.x + wid.x;
  if (row >= params.rows) { return; } // the whole workgroup
  let base = row * params.length;
  var sum = 0.0;
  for (var k = lane; k < params.length; k += TEAM) {
    if (LOGARITHM) { sum += gradient[base + k]; }
    else { sum += gradient[base + k] * y[base + k]; }
  }
  let total = teamSum(sum, lane);
  for (var k = lane; k < params.length; k += TEAM) {
    let at = base + k;
    if (LOGARITHM) { out[at] = gradient[at] - accurateExp(y[at]) * total; }
    else { out[at] = y[at] * (gradient[at] - total); }
  }
}
