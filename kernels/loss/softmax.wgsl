// softmax or log-softmax of each row of x [rows, length]: the row's maximum is taken out first, so nothing overflows.
// One invocation computes one row, a Value at a time.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"
// #include "row.wgsl"

const LOGARITHM = false;

struct Params { rows: u32, length: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (wid.y * count.x + wid.x) * 64u + lane;
  if (row >= params.rows) { return; }
  let length = params.length / WIDTH;
  let base = row * length;
  var most = x[base];
  for (var k = 1u; k < length; k++) { most = max(most, x[base + k]); }
  let largest = largestOf(most);
  var sum = Value(0.0);
  for (var k = 0u; k < length; k++) {
    let e = accurateExp(x[base + k] - largest);
    sum += e;
    if (!LOGARITHM) { out[base + k] = e; }
  }
  let total = sumOf(sum);
  let shift = accurateLog(Value(total));
  for (var k = 0u; k < length; k++) {
    if (LOGARITHM) { out[base + k] = x[base + k] - largest - shift; }
    else { out[base + k] = out[base + k] / total; }
  }
}
