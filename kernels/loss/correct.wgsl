// correct: out[0] = how many rows of x [rows, length] have their first largest value at their label. One workgroup:
// invocation l counts rows l, l + 64, …; the first adds the counts. Labels that name no class never match.
requires immediate_address_space;

struct Params { rows: u32, length: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

var<workgroup> counts: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var n = 0u;
  for (var row = lane; row < params.rows; row += 64u) {
    let base = row * params.length;
    var best = 0u;
    for (var k = 1u; k < params.length; k++) {
      if (x[base + k] > x[base + best]) { best = k; }
    }
    if (best == labels[row]) { n++; }
  }
  counts[lane] = n;
  workgroupBarrier();
  if (lane > 0u) { return; }
  for (var l = 1u; l < 64u; l++) { n += counts[l]; }
  out[0] = f32(n);
}
