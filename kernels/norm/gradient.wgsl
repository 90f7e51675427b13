// norm backward, third pass: dx = weight · rstd · (g − S₁/rows − x̂ · S₂/rows), g and x̂ as in gradient-sums.wgsl.
// FIXED (running statistics, which do not depend on x): dx = weight · rstd · g. One invocation: one Value in each of
// `chunk` rows.
requires immediate_address_space;

// #include "../common/value.wgsl"
const WEIGHT = false;
const BIAS = false;
const VARIANCE = false;
const FIXED = false;

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32, eps: f32, slope: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> mean: array<Value>;
@group(0) @binding(2) var<storage, read> rstd: array<Value>;
@group(0) @binding(3) var<storage, read> weight: array<Value>;
@group(0) @binding(4) var<storage, read> bias: array<Value>;
@group(0) @binding(5) var<storage, read> gradient: array<Value>;
@group(0) @binding(6) var<storage, read> sums: array<Value>;
@group(0) @binding(7) var<storage, read_write> dx: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.channels / WIDTH;
  if (index >= params.groups * params.chunks * channels) { return; }
  let block = index / channels;
  let c = index - block * channels;
  let group = block / params.chunks;
  let start = (block - group * params.chunks) * params.chunk;
  let statistic = group * channels + c;
  let m = mean[statistic];
  var r = rstd[statistic];
  if (VARIANCE) { r = Value(1.0) / sqrt(r + params.eps); }
  var w = Value(1.0);
  if (WEIGHT) { w = weight[c]; }
  var b = Value(0.0);
  if (BIAS) { b = bias[c]; }
  var s1 = Value(0.0);
  var s2 = Value(0.0);
  if (!FIXED) {
    s1 = sums[statistic] / f32(params.rows);
    s2 = sums[params.groups * channels + statistic] / f32(params.rows);
  }
  let steps = min(params.chunk, params.rows - start);
  var at = (group * params.rows + start) * channels + c;
  for (var row = 0u; row < steps; row++) {
    let n = (x[at] - m) * r;
    let dy = gradient[at];
    var g = select(params.slope * dy, dy, n * w + b > Value(0.0));
    if (!FIXED) { g -= s1 + n * s2; }
    dx[at] = w * r * g;
    at += channels;
  }
}
