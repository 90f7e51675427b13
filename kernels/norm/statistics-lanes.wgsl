// norm statistics in one pass, in the 8 lanes of a CPU subgroup. One workgroup: ACROSS neighbouring Values of a group, 8 / ACROSS
// lanes for each, of `chunk` rows, in walks of 1024 that are joined in order (Chan et al. 1979); M2 = Σ M2ₗ + nₗ (meanₗ − mean)² joins
// the lanes, always in the same order.
requires immediate_address_space;
enable subgroups;

// #include "../common/value.wgsl"
// #include "../common/over-lanes.wgsl"

struct Params { groups: u32, rows: u32, channels: u32, columnGroups: u32, chunk: u32, eps: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> mean: array<Value>;
@group(0) @binding(2) var<storage, read_write> variance: array<Value>;
@group(0) @binding(3) var<storage, read_write> rstd: array<Value>;

// #include "chunk-statistics.wgsl"

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let workgroup = wid.y * count.x + wid.x;
  if (workgroup >= params.groups * params.columnGroups) { return; }
  let channels = params.channels / WIDTH;
  let group = workgroup / params.columnGroups;
  let c = (workgroup - group * params.columnGroups) * ACROSS + lane % ACROSS;
  let start = lane / ACROSS * params.chunk;
  let to = min(start + params.chunk, params.rows);
  let base = group * params.rows * channels + min(c, channels - 1u);
  var ownMean = Value(0.0);
  var ownM2 = Value(0.0);
  var size = 0.0;
  for (var begin = start; begin < to; begin += 1024u) {
    let end = min(begin + 1024u, to);
    let walk = momentsOf(base, begin, end, channels);
    let more = f32(end - begin);
    let d = walk.mean - ownMean;
    ownMean += d * (more / (size + more));
    ownM2 += walk.m2 + d * (d * (size * more / (size + more)));
    size += more;
  }
  let first = subgroupShuffle(ownMean, lane % ACROSS);
  let n = f32(params.rows);
  let m = first + overLanes(size * (ownMean - first)) / n;
  let d = ownMean - m;
  let m2 = overLanes(ownM2 + size * d * d);
  if (lane < ACROSS && c < channels) {
    let index = group * channels + c;
    mean[index] = m;
    variance[index] = m2 / n;
    rstd[index] = 1.0 / sqrt(m2 / n + params.eps);
  }
}
