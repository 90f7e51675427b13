// fill: out[i] = value. One invocation writes one vec4; the tail past `size` lies in the buffer's padding.
requires immediate_address_space;

struct Params { size: u32, value: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * 4u >= params.size) { return; }
  out[i] = vec4f(params.value);
}
