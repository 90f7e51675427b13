// norm statistics in one pass, in the 8 lanes of a CPU subgroup. One workgroup: ACROSS neighbouring Values of a group, 8 / ACROSS
// lanes for each, of `chunk` rows.
requires immediate_address_space;
enable subgroups;

// #include "../common/value.wgsl"
// #include "../common/over-lanes.wgsl"
// #include "column.wgsl"

struct Params { groups: u32, rows: u32, channels: u32, columnGroups: u32, chunk: u32, eps: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> mean: array<Value>;
@group(0) @binding(2) var<storage, read_write> variance: array<Value>;
@group(0) @binding(3) var<storage, read_write> rstd: array<Value>;

// #include "column-statistics.wgsl"

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let workgroup = wid.y * count.x + wid.x;
  if (workgroup >= params.groups * params.columnGroups) { return; }
  let column = columnOf(workgroup, lane);
  let found = columnStatistics(column.base, column.channels, lane);
  if (lane < ACROSS && column.exists) {
    let index = column.group * column.channels + column.c;
    mean[index] = found.mean;
    variance[index] = found.variance;
    rstd[index] = 1.0 / sqrt(found.variance + params.eps);
  }
}
