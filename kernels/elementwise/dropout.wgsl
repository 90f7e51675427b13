// dropout: out[i] = x[i] / (1 − rate) with probability 1 − rate, else 0; element i stays if its number of the
// generator's draw `call`, uniform in (0, 1), is at least `rate`. The same call gives the same mask, so backward draws
// it again. One invocation computes four neighbours: one Philox block.
requires immediate_address_space;

// #include "../common/philox.wgsl"

struct Params { size: u32, rate: f32, call: u32, key0: u32, key1: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * 4u >= params.size) { return; }
  let u = toUnit(philox(vec4u(i, params.call, 0u, 0u), vec2u(params.key0, params.key1)));
  out[i] = select(vec4f(0.0), x[i] / (1.0 - params.rate), u >= vec4f(params.rate));
}
