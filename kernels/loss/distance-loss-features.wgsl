// Gradient of distance-loss by the features: out[b, i] = gradient · 2 weight · (x_b − c_{y_b})[i]. One element each.
requires immediate_address_space;

struct Params { batch: u32, width: u32, weight: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> features: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read> centres: array<f32>;
@group(0) @binding(3) var<storage, read> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.batch * params.width) { return; }
  let centre = u32(labels[index / params.width]) * params.width + index % params.width;
  out[index] = gradient[0] * 2.0 * params.weight * (features[index] - centres[centre]);
}
