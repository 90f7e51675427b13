// softmax or log-softmax of each row of x [rows, length]: the row's maximum is taken out first, so nothing overflows.
// One invocation computes one row.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

const LOGARITHM = false;

struct Params { rows: u32, length: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (wid.y * count.x + wid.x) * 64u + lane;
  if (row >= params.rows) { return; }
  let base = row * params.length;
  var largest = x[base];
  for (var k = 1u; k < params.length; k++) { largest = max(largest, x[base + k]); }
  var total = 0.0;
  for (var k = 0u; k < params.length; k++) {
    let e = accurateExp(x[base + k] - largest);
    total += e;
    if (!LOGARITHM) { out[base + k] = e; }
  }
  let shift = accurateLog(total);
  for (var k = 0u; k < params.length; k++) {
    if (LOGARITHM) { out[base + k] = x[base + k] - largest - shift; }
    else { out[base + k] = out[base + k] / total; }
  }
}
