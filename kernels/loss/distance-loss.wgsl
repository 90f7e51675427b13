// distance-loss: out = weight · Σ_i |x_i − c_{y_i}|² + repulsion · Σ_{j ≠ k} 1 / (r_jk + 1), r the distances between
// the centres, ordered pairs. One workgroup, fixed order. A label outside the classes gives NaN.
requires immediate_address_space;

struct Params { batch: u32, classes: u32, width: u32, weight: f32, repulsion: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> features: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read> centres: array<f32>;
@group(0) @binding(3) var<storage, read> distances: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var b = 0u; b < params.batch; b++) {
    let label = labels[b];
    if (label < 0 || u32(label) >= params.classes) {
      var bits = 0x7fc00000u;
      sum = bitcast<f32>(bits);
    }
    for (var i = lane; i < params.width; i += 64u) {
      let difference = features[b * params.width + i] - centres[u32(label) * params.width + i];
      sum += difference * difference;
    }
  }
  partial[lane] = sum;
  workgroupBarrier();
  if (lane != 0u) { return; }
  var pull = 0.0;
  for (var i = 0u; i < 64u; i++) { pull += partial[i]; }
  var push = 0.0;
  for (var j = 0u; j < params.classes; j++) {
    for (var k = 0u; k < params.classes; k++) {
      if (j != k) { push += 1.0 / (distances[j * params.classes + k] + 1.0); }
    }
  }
  out[0] = params.weight * pull + params.repulsion * push;
}
