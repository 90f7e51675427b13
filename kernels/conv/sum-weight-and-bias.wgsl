// weight[i] and, behind the first `weights`, bias[i] = Σ_s partials[s][i], s ascending: the second pass of a product that was split.
// Sizes are multiples of 4. One invocation: one vec4.
requires immediate_address_space;

struct Params { parts: u32, size: u32, weights: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> bias: array<vec4f>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 8u + lane;
  let size = params.size / 4u;
  if (index >= size) { return; }
  var at = index;
  var sum = vec4f(0.0);
  for (var s = 0u; s < params.parts; s++) {
    sum += partials[at];
    at += size;
  }
  let first = params.weights / 4u;
  if (index < first) { weight[index] = sum; } else { bias[index - first] = sum; }
}
