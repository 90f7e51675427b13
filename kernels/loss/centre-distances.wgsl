// centre-distances: distances[j, k] = √(|c_j − c_k|² + 1e-12); the small term keeps the gradient finite where centres
// coincide. One invocation per pair.
requires immediate_address_space;

struct Params { classes: u32, width: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> centres: array<f32>;
@group(0) @binding(1) var<storage, read_write> distances: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let pair = (wid.y * count.x + wid.x) * 64u + lane;
  if (pair >= params.classes * params.classes) { return; }
  let j = pair / params.classes * params.width;
  let k = pair % params.classes * params.width;
  var sum = 1e-12;
  for (var i = 0u; i < params.width; i++) {
    let difference = centres[j + i] - centres[k + i];
    sum += difference * difference;
  }
  distances[pair] = sqrt(sum);
}
