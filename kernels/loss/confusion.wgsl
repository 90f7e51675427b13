// confusion: counts[label, predicted] += rows of that pair, over class indices of `rows` samples. Labels that name no
// class (padding rows) count nowhere. One invocation owns one cell and walks the rows: exact integers, no atomics.
requires immediate_address_space;

struct Params { rows: u32, classes: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> predicted: array<u32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let cell = (wid.y * count.x + wid.x) * 64u + lane;
  if (cell >= params.classes * params.classes) { return; }
  let label = cell / params.classes;
  let prediction = cell - label * params.classes;
  var n = 0u;
  for (var row = 0u; row < params.rows; row++) {
    if (labels[row] == label && predicted[row] == prediction) { n++; }
  }
  counts[cell] += n;
}
