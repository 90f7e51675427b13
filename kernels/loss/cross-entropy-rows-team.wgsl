// cross-entropy of each row of logits [rows, classes] as in cross-entropy-rows.wgsl, for GPUs: a workgroup computes one row.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"
// #include "team.wgsl"

const SOFT = false;

struct Params { rows: u32, classes: u32, ignored: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> logSum: array<vec4f>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.y * count.x + wid.x;
  if (row >= params.rows) { return; } // the whole workgroup
  let base = row * params.classes;
  var most = logits[base];
  for (var k = lane; k < params.classes; k += TEAM) { most = max(most, logits[base + k]); }
  let largest = teamMax(most, lane);
  var sum = 0.0;
  for (var k = lane; k < params.classes; k += TEAM) { sum += accurateExp(logits[base + k] - largest); }
  let rest = accurateLog(teamSum(sum, lane));
  var loss = 0.0;
  var weight = 1.0;
  var total = 0.0;
  if (SOFT) {
    var part = 0.0;
    var weighed = 0.0;
    for (var k = lane; k < params.classes; k += TEAM) {
      let t = targets[base + k];
      weighed += t;
      part += t * (rest - (logits[base + k] - largest));
    }
    total = teamSum(weighed, lane);
    loss = teamSum(part, lane);
  } else {
    let label = labels[row];
    if (label == params.ignored) { weight = 0.0; }
    else if (label >= params.classes) { loss = fromBits(0x7fc00000u); } // no such class: NaN says so
    else { loss = rest - (logits[base + label] - largest); }
  }
  if (lane > 0u) { return; }
  losses[row] = loss;
  weights[row] = weight;
  logSum[row] = vec4f(largest, rest, total, 0.0);
}
