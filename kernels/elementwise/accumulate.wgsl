// accumulate: target[i] += scale * source[i]; with OVERWRITE, target[i] = scale * source[i]. One vec4 per invocation.
requires immediate_address_space;

const OVERWRITE = false;

struct Params { size: u32, scale: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * 4u >= params.size) { return; }
  if (OVERWRITE) {
    out[i] = params.scale * source[i];
  } else {
    out[i] = out[i] + params.scale * source[i];
  }
}
