// cross-entropy of each row of logits [rows, classes]: log Σ e^z − z_label for a class index, or Σ t (log Σ e^z − z) for
// soft targets [rows, classes]. Rows whose label is `ignore` count as nothing. One invocation computes one row; it
// leaves the loss, the row's weight (0 or 1) and, for backward, log Σ e^z in two parts, the largest logit and the rest, and
// Σ t of soft targets.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

const SOFT = false;

struct Params { rows: u32, classes: u32, ignored: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> logSum: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (wid.y * count.x + wid.x) * 64u + lane;
  if (row >= params.rows) { return; }
  let base = row * params.classes;
  var largest = logits[base];
  for (var k = 1u; k < params.classes; k++) { largest = max(largest, logits[base + k]); }
  var sum = 0.0;
  for (var k = 0u; k < params.classes; k++) { sum += accurateExp(logits[base + k] - largest); }
  let rest = accurateLog(sum);
  var loss = 0.0;
  var weight = 1.0;
  var total = 0.0;
  if (SOFT) {
    for (var k = 0u; k < params.classes; k++) {
      let t = targets[base + k];
      total += t;
      loss += t * (rest - (logits[base + k] - largest));
    }
  } else {
    let label = labels[row];
    if (label == params.ignored) { weight = 0.0; }
    else if (label >= params.classes) { loss = fromBits(0x7fc00000u); } // no such class: NaN says so
    else { loss = rest - (logits[base + label] - largest); }
  }
  losses[row] = loss;
  weights[row] = weight;
  logSum[row] = vec4f(largest, rest, total, 0.0);
}
