// norm backward: dβ = Σ S₁ and dγ = Σ S₂ over the groups, ascending. sums [2][groups][channels].
// One invocation: one channel.
requires immediate_address_space;

struct Params { groups: u32, channels: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> dBias: array<f32>;
@group(0) @binding(2) var<storage, read_write> dWeight: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.channels) { return; }
  var s1 = 0.0;
  var s2 = 0.0;
  for (var g = 0u; g < params.groups; g++) {
    s1 += sums[g * params.channels + id.x];
    s2 += sums[(params.groups + g) * params.channels + id.x];
  }
  dBias[id.x] = s1;
  dWeight[id.x] = s2;
}
