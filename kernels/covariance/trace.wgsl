// trace: out[b] = Σ_i matrix[b, i, i]. One invocation per matrix.
requires immediate_address_space;

struct Params { batch: u32, n: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> matrix: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let b = (wid.y * count.x + wid.x) * 8u + lane;
  if (b >= params.batch) { return; }
  var sum = 0.0;
  for (var i = 0u; i < params.n; i++) { sum += matrix[(b * params.n + i) * params.n + i]; }
  out[b] = sum;
}
