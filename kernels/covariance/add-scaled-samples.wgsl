// add-scaled-samples: out[b, :] = scale · (base[b, :] + factor · amount[b] · x[b, :]). One Value
// (an element or a vec4) each; `size` counts Values.
requires immediate_address_space;
// #include "../common/value.wgsl"

struct Params { batch: u32, size: u32, scale: f32, factor: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> base: array<Value>;
@group(0) @binding(1) var<storage, read> amount: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<Value>;
@group(0) @binding(3) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.batch * params.size) { return; }
  out[i] = params.scale * (base[i] + (params.factor * amount[i / params.size]) * x[i]);
}
