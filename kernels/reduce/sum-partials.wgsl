// out[i] = Σ_s partials[s][i], s ascending: the second pass of every product that was split. `size` is a multiple of 4.
// One invocation: one vec4.
requires immediate_address_space;

struct Params { parts: u32, size: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let size = params.size / 4u;
  if (index >= size) { return; }
  var at = index;
  var sum = vec4f(0.0);
  for (var s = 0u; s < params.parts; s++) {
    sum += partials[at];
    at += size;
  }
  out[index] = sum;
}
