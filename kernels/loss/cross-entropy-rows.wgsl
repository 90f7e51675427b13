// cross-entropy of each row of logits [rows, classes]: log Σ e^z − z_label for a class index, or Σ t (log Σ e^z − z) for
// soft targets [rows, classes]. Rows whose label is `ignore` count as nothing. One invocation computes one row, a Value at a
// time; it leaves the loss, the row's weight (0 or 1) and, for backward, log Σ e^z in two parts, the largest logit and the rest, and
// Σ t of soft targets.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"
// #include "row.wgsl"

const SOFT = false;

struct Params { rows: u32, classes: u32, ignored: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> logits: array<Value>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> targets: array<Value>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> logSum: array<vec4f>;

fn logitAt(row: u32, label: u32) -> f32 {
  let at = row * params.classes + label;
  return vec4f(logits[at / WIDTH])[at % WIDTH];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (wid.y * count.x + wid.x) * 64u + lane;
  if (row >= params.rows) { return; }
  let length = params.classes / WIDTH;
  let base = row * length;
  var most = logits[base];
  for (var k = 1u; k < length; k++) { most = max(most, logits[base + k]); }
  let largest = largestOf(most);
  var sum = Value(0.0);
  for (var k = 0u; k < length; k++) { sum += accurateExp(logits[base + k] - largest); }
  let rest = anyOf(accurateLog(Value(sumOf(sum))));
  var loss = 0.0;
  var weight = 1.0;
  var total = 0.0;
  if (SOFT) {
    var weighed = Value(0.0);
    var part = Value(0.0);
    for (var k = 0u; k < length; k++) {
      let t = targets[base + k];
      weighed += t;
      part += t * (rest - (logits[base + k] - largest));
    }
    total = sumOf(weighed);
    loss = sumOf(part);
  } else {
    let label = labels[row];
    if (label == params.ignored) { weight = 0.0; }
    else if (label >= params.classes) { loss = anyOf(fromBits(0x7fc00000u)); } // no such class: NaN says so
    else { loss = rest - (logitAt(row, label) - largest); }
  }
  losses[row] = loss;
  weights[row] = weight;
  logSum[row] = vec4f(largest, rest, total, 0.0);
}
