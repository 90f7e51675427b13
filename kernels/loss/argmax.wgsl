// argmax: out[row] = index of the first largest value of x [rows, length]. One invocation computes one row.
requires immediate_address_space;

struct Params { rows: u32, length: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (wid.y * count.x + wid.x) * 64u + lane;
  if (row >= params.rows) { return; }
  let base = row * params.length;
  var best = 0u;
  for (var k = 1u; k < params.length; k++) {
    if (x[base + k] > x[base + best]) { best = k; }
  }
  out[row] = best;
}
