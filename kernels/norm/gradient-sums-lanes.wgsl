// norm backward, the sums in one pass, in the 8 lanes of a CPU subgroup: S₁ = Σ g and S₂ = Σ g · x̂ as in gradient-sums.wgsl.
// One workgroup: ACROSS neighbouring Values of a group, 8 / ACROSS lanes for each, which take every so-manieth row in walks of
// 256, joined in order; then the lanes are joined, always in the same order. sums [2][groups][channels].
requires immediate_address_space;
enable subgroups;

// #include "../common/value.wgsl"
// #include "../common/over-lanes.wgsl"
// #include "affine.wgsl"

struct Params { groups: u32, rows: u32, channels: u32, columnGroups: u32, eps: f32, slope: f32 }
var<immediate> params: Params;

@group(0) @binding(5) var<storage, read> gradient: array<Value>;
@group(0) @binding(6) var<storage, read_write> sums: array<Value>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let workgroup = wid.y * count.x + wid.x;
  if (workgroup >= params.groups * params.columnGroups) { return; }
  let channels = params.channels / WIDTH;
  let group = workgroup / params.columnGroups;
  let c = (workgroup - group * params.columnGroups) * ACROSS + lane % ACROSS;
  let column = min(c, channels - 1u);
  let a = affineOf(group * channels + column, column);
  let base = group * params.rows * channels + column;
  var s1 = Value(0.0);
  var s2 = Value(0.0);
  for (var begin = lane / ACROSS; begin < params.rows; begin += 256u * DOWN) {
    let end = min(begin + 256u * DOWN, params.rows);
    var walk1 = Value(0.0);
    var walk2 = Value(0.0);
    for (var row = begin; row < end; row += DOWN) {
      let at = base + row * channels;
      let n = normalised(x[at], a);
      let g = throughActivation(gradient[at], shifted(n, a));
      walk1 += g;
      walk2 += g * n;
    }
    s1 += walk1;
    s2 += walk2;
  }
  s1 = overLanes(s1);
  s2 = overLanes(s2);
  if (lane < ACROSS && c < channels) {
    sums[group * channels + c] = s1;
    sums[(params.groups + group) * channels + c] = s2;
  }
}
