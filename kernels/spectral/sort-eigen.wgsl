// sort-eigen: eigenvalues ascending, eigenvectors from rows in any order to columns in that order, the largest entry of
// each (the first of equals) made positive. One invocation moves one pair; its place is the number of smaller values.
requires immediate_address_space;

struct Params { batch: u32, n: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> sorted: array<f32>;
@group(0) @binding(3) var<storage, read_write> vectors: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let n = params.n;
  if (index >= params.batch * n) { return; }
  let first = index / n * n;
  let value = values[index];
  var place = 0u;
  for (var j = first; j < first + n; j++) {
    if (values[j] < value || (values[j] == value && j < index)) { place++; }
  }
  var largest = 0.0;
  for (var i = 0u; i < n; i++) {
    let entry = rows[index * n + i];
    if (abs(entry) > abs(largest)) { largest = entry; }
  }
  sorted[first + place] = value;
  for (var i = 0u; i < n; i++) {
    vectors[(first + i) * n + place] = select(rows[index * n + i], -rows[index * n + i], largest < 0.0);
  }
}
