// norm backward, the sums in one pass, in the 8 lanes of a CPU subgroup: S₁ = Σ g and S₂ = Σ g · x̂ as in gradient-sums.wgsl.
// One workgroup: ACROSS neighbouring Values of a group, 8 / ACROSS lanes for each. sums [2][groups][channels].
requires immediate_address_space;
enable subgroups;

// #include "../common/value.wgsl"
// #include "../common/over-lanes.wgsl"
// #include "affine.wgsl"

struct Params { groups: u32, rows: u32, channels: u32, columnGroups: u32, eps: f32, slope: f32 }
var<immediate> params: Params;

@group(0) @binding(5) var<storage, read> gradient: array<Value>;
@group(0) @binding(6) var<storage, read_write> sums: array<Value>;

// #include "column-sums.wgsl"

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
  let found = columnSums(base, channels, lane, a);
  if (lane < ACROSS && c < channels) {
    sums[group * channels + c] = found.s1;
    sums[(params.groups + group) * channels + c] = found.s2;
  }
}
