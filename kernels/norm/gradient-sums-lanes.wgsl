// norm backward, the sums in one pass, in the 8 lanes of a CPU subgroup: S₁ = Σ g and S₂ = Σ g · x̂ as in gradient-sums.wgsl.
// One workgroup: ACROSS neighbouring Values of a group, 8 / ACROSS lanes for each. sums [2][groups][channels].
requires immediate_address_space;
enable subgroups;

// #include "../common/value.wgsl"
// #include "../common/over-lanes.wgsl"
// #include "column.wgsl"
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
  let column = columnOf(workgroup, lane);
  let statistic = column.group * column.channels + column.c;
  let found = columnSums(column.base, column.channels, lane, affineOf(statistic, column.c));
  if (lane < ACROSS && column.exists) {
    sums[statistic] = found.s1;
    sums[params.groups * column.channels + statistic] = found.s2;
  }
}
