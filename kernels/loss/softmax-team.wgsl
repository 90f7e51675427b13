// softmax or log-softmax of each row of x [rows, length] as in softmax.wgsl, for GPUs: a workgroup computes one row, so that
// neighbours read neighbours.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"
// #include "team.wgsl"

const LOGARITHM = false;

struct Params { rows: u32, length: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.y * count.x + wid.x;
  if (row >= params.rows) { return; } // the whole workgroup
  let base = row * params.length;
  var most = x[base];
  for (var k = lane; k < params.length; k += TEAM) { most = max(most, x[base + k]); }
  let largest = teamMax(most, lane);
  var sum = 0.0;
  for (var k = lane; k < params.length; k += TEAM) { sum += accurateExp(x[base + k] - largest); }
  let total = teamSum(sum, lane);
  let shift = accurateLog(total);
  for (var k = lane; k < params.length; k += TEAM) {
    let below = x[base + k] - largest;
    if (LOGARITHM) { out[base + k] = below - shift; }
    else { out[base + k] = accurateExp(below) / total; }
  }
}
