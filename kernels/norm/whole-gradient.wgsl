// norm backward in one pass, in the 8 lanes of a CPU subgroup: the sums as in gradient-sums-lanes.wgsl, then dx as in gradient.wgsl
// by the workgroup that has just read its columns. One workgroup: ACROSS neighbouring Values of a group, 8 / ACROSS lanes for each.
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
@group(0) @binding(7) var<storage, read_write> dx: array<Value>;

// #include "column-sums.wgsl"

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let workgroup = wid.y * count.x + wid.x;
  if (workgroup >= params.groups * params.columnGroups) { return; }
  let column = columnOf(workgroup, lane);
  let statistic = column.group * column.channels + column.c;
  let a = affineOf(statistic, column.c);
  let found = columnSums(column.base, column.channels, lane, a);
  if (!column.exists) { return; }
  if (lane < ACROSS) {
    sums[statistic] = found.s1;
    sums[params.groups * column.channels + statistic] = found.s2;
  }
  let s1 = found.s1 / f32(params.rows);
  let s2 = found.s2 / f32(params.rows);
  for (var row = lane / ACROSS; row < params.rows; row += DOWN) {
    let at = column.base + row * column.channels;
    let n = normalised(x[at], a);
    let g = throughActivation(gradient[at], shifted(n, a)) - (s1 + n * s2);
    dx[at] = a.weight * a.rstd * g;
  }
}
