// What moves the centres. With S_j = Σ_{y_i = j} (c_j − x_i) over n_j samples and the repulsion's gradient
// ∂R/∂c_j = −2 Σ_{k ≠ j} (c_j − c_k) / (r (r + 1)²):
//   UPDATE false: out_j = gradient · (2 weight · S_j + repulsion · ∂R/∂c_j), the gradient of distance-loss;
//   UPDATE true:  out_j = c_j − alpha · (S_j / (1 + n_j) + repulsion · ∂R/∂c_j), the moving centre of
//                 Wen et al. 2016 with the repulsion in it, without which it could not act at all.
// One element (j, i) each.
requires immediate_address_space;

const UPDATE = false;

struct Params { batch: u32, classes: u32, width: u32, weight: f32, repulsion: f32, alpha: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> features: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read> centres: array<f32>;
@group(0) @binding(3) var<storage, read> distances: array<f32>;
@group(0) @binding(4) var<storage, read> gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.classes * params.width) { return; }
  let j = index / params.width;
  let i = index % params.width;
  let centre = centres[index];
  var pull = 0.0;
  var members = 0.0;
  for (var b = 0u; b < params.batch; b++) {
    if (labels[b] != i32(j)) { continue; }
    pull += centre - features[b * params.width + i];
    members += 1.0;
  }
  var push = 0.0;
  for (var k = 0u; k < params.classes; k++) {
    let r = distances[j * params.classes + k];
    if (k != j) { push += (centre - centres[k * params.width + i]) / (r * (r + 1.0) * (r + 1.0)); }
  }
  let repulsion = params.repulsion * -2.0 * push;
  if (UPDATE) {
    out[index] = centre - params.alpha * (pull / (1.0 + members) + repulsion);
  } else {
    out[index] = gradient[0] * (2.0 * params.weight * pull + repulsion);
  }
}
