// softmax backward from its output y: y · (g − Σ g y); log-softmax: g − e^y · Σ g. One invocation computes one row.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

const LOGARITHM = false;

struct Params { rows: u32, length: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (wid.y * count.x + wid.x) * 64u + lane;
  if (row >= params.rows) { return; }
  let base = row * params.length;
  var total = 0.0;
  for (var k = 0u; k < params.length; k++) {
    if (LOGARITHM) { total += gradient[base + k]; }
    else { total += gradient[base + k] * y[base + k]; }
  }
  for (var k = 0u; k < params.length; k++) {
    let at = base + k;
    if (LOGARITHM) { out[at] = gradient[at] - accurateExp(y[at]) * total; }
    else { out[at] = y[at] * (gradient[at] - total); }
  }
}
