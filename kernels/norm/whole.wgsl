// norm in one pass, in the 8 lanes of a CPU subgroup: statistics as in statistics-lanes.wgsl, then y as in apply.wgsl by the
// workgroup that has just read its columns. x, y, residual [groups, rows, channels]; mean, variance, rstd [groups, channels];
// weight, bias [channels]. One workgroup: ACROSS neighbouring Values of a group, 8 / ACROSS lanes for each, of `chunk` rows.
requires immediate_address_space;
enable subgroups;

// #include "../common/value.wgsl"
// #include "../common/over-lanes.wgsl"
// #include "column.wgsl"
// #include "normalised.wgsl"
const RESIDUAL = false;

struct Params { groups: u32, rows: u32, channels: u32, columnGroups: u32, chunk: u32, eps: f32, slope: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> mean: array<Value>;
@group(0) @binding(2) var<storage, read_write> variance: array<Value>;
@group(0) @binding(3) var<storage, read_write> rstd: array<Value>;
@group(0) @binding(4) var<storage, read> weight: array<Value>;
@group(0) @binding(5) var<storage, read> bias: array<Value>;
@group(0) @binding(6) var<storage, read> residual: array<Value>;
@group(0) @binding(7) var<storage, read_write> y: array<Value>;

// #include "column-statistics.wgsl"

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let workgroup = wid.y * count.x + wid.x;
  if (workgroup >= params.groups * params.columnGroups) { return; }
  let column = columnOf(workgroup, lane);
  let found = columnStatistics(column.base, column.channels, lane);
  if (!column.exists) { return; }
  var a = Affine(found.mean, Value(1.0) / sqrt(found.variance + params.eps), Value(1.0), Value(0.0));
  if (WEIGHT) { a.weight = weight[column.c]; }
  if (BIAS) { a.bias = bias[column.c]; }
  if (lane < ACROSS) {
    let index = column.group * column.channels + column.c;
    mean[index] = found.mean;
    variance[index] = found.variance;
    rstd[index] = a.rstd;
  }
  let start = lane / ACROSS * params.chunk;
  let to = min(start + params.chunk, params.rows);
  var at = column.base + start * column.channels;
  for (var row = start; row < to; row++) {
    var v = activated(shifted(normalised(x[at], a), a));
    if (RESIDUAL) { v += residual[at]; }
    y[at] = v;
    at += column.channels;
  }
}
