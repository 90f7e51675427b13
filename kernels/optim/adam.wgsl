// Adam, one tensor: g' = gradient + decay · p;  m ← β₁ m + (1 − β₁) g';  v ← β₂ v + (1 − β₂) g'²;
// p ← p − rate · m / (sqrt(v) + eps), with rate = lr · sqrt(1 − β₂ᵗ) / (1 − β₁ᵗ) from the host. eps is the user's in
// TensorFlow's form and eps · sqrt(1 − β₂ᵗ) in PyTorch's, which is the same as adding it to the corrected root.
// One invocation: one vec4; the tail lies in the buffers' padding.
requires immediate_address_space;

struct Params { size: u32, rate: f32, eps: f32, beta1: f32, beta2: f32, decay: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> parameter: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * 4u >= params.size) { return; }
  let p = parameter[i];
  let g = gradient[i] + params.decay * p;
  let mi = params.beta1 * m[i] + (1.0 - params.beta1) * g;
  let vi = params.beta2 * v[i] + (1.0 - params.beta2) * g * g;
  m[i] = mi;
  v[i] = vi;
  parameter[i] = p - params.rate * mi / (sqrt(vi) + params.eps);
}
