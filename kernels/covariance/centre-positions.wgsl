// centre-positions: out[b, i, c] = scale · (x[b, i, c] − mean over i), two passes over a column, which keeps the
// digits of a small spread around a large mean. One invocation computes one column (b, c), or four
// beside each other where Value is a vec4; `channels` counts Values.
requires immediate_address_space;
// #include "../common/value.wgsl"

struct Params { batch: u32, positions: u32, channels: u32, scale: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = (wid.y * count.x + wid.x) * 64u + lane;
  let n = params.positions;
  let d = params.channels;
  if (column >= params.batch * d) { return; }
  let first = column / d * n * d + column % d;
  // About the first value: exact for a constant column, and a sum of small differences for any other.
  let reference = x[first];
  var sum = Value(0.0);
  for (var i = 0u; i < n; i++) { sum += x[first + i * d] - reference; }
  let mean = sum / f32(n);
  for (var i = 0u; i < n; i++) { out[first + i * d] = params.scale * ((x[first + i * d] - reference) - mean); }
}
