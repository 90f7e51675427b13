// standardise: out[b, i] = (x[b, i] − μ_b) / max(σ_b, 1/√length), TensorFlow's per_image_standardization.
// One workgroup does one picture: 64 lanes sum every 64th value each, then a tree of fixed order joins them.
requires immediate_address_space;

const LANES = 64u;

struct Params { batch: u32, length: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

var<workgroup> shared_sums: array<f32, LANES>;

fn joined(lane: u32, own: f32) -> f32 {
  shared_sums[lane] = own;
  workgroupBarrier();
  for (var stride = LANES / 2u; stride > 0u; stride /= 2u) {
    if (lane < stride) { shared_sums[lane] += shared_sums[lane + stride]; }
    workgroupBarrier();
  }
  let total = workgroupUniformLoad(&shared_sums[0]);
  workgroupBarrier();
  return total;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let picture = wid.y * count.x + wid.x;
  // Workgroups past the last picture repeat it: leaving here would break the barriers' uniformity.
  let start = min(picture, params.batch - 1u) * params.length;
  let n = f32(params.length);
  var sum = 0.0;
  for (var i = lane; i < params.length; i += LANES) { sum += x[start + i]; }
  let mean = joined(lane, sum) / n;
  var squares = 0.0;
  for (var i = lane; i < params.length; i += LANES) {
    let d = x[start + i] - mean;
    squares += d * d;
  }
  let scale = 1.0 / max(sqrt(joined(lane, squares) / n), 1.0 / sqrt(n));
  for (var i = lane; i < params.length; i += LANES) { out[start + i] = (x[start + i] - mean) * scale; }
}
