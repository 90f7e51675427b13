// standardise: out[b, i] = (x[b, i] − μ_b) / max(σ_b, 1/√length), TensorFlow's per_image_standardization.
// One invocation does one picture, with Kahan's compensated sums; three walks over it.
requires immediate_address_space;

struct Params { batch: u32, length: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.batch) { return; }
  let start = id.x * params.length;
  let n = f32(params.length);
  var sum = 0.0;
  var lost = 0.0;
  for (var i = 0u; i < params.length; i++) {
    let term = x[start + i] - lost;
    let next = sum + term;
    lost = (next - sum) - term;
    sum = next;
  }
  let mean = sum / n;
  var squares = 0.0;
  lost = 0.0;
  for (var i = 0u; i < params.length; i++) {
    let d = x[start + i] - mean;
    let term = d * d - lost;
    let next = squares + term;
    lost = (next - squares) - term;
    squares = next;
  }
  let scale = 1.0 / max(sqrt(squares / n), 1.0 / sqrt(n));
  for (var i = 0u; i < params.length; i++) { out[start + i] = (x[start + i] - mean) * scale; }
}
