// norm apply: y = f((x − mean) · rstd · weight + bias) + residual, f with slope `slope` below zero (0 ReLU, 1 none).
// x, y, residual [groups, rows, channels]; mean, rstd [groups, channels] (VARIANCE: rstd holds the variance instead, as
// running statistics do); weight, bias [channels]. One invocation: one Value in each of `chunk` rows, so that what belongs
// to the channel is loaded once.
requires immediate_address_space;

// #include "../common/value.wgsl"
const WEIGHT = false;
const BIAS = false;
const RESIDUAL = false;
const VARIANCE = false;

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32, eps: f32, slope: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> mean: array<Value>;
@group(0) @binding(2) var<storage, read> rstd: array<Value>;
@group(0) @binding(3) var<storage, read> weight: array<Value>;
@group(0) @binding(4) var<storage, read> bias: array<Value>;
@group(0) @binding(5) var<storage, read> residual: array<Value>;
@group(0) @binding(6) var<storage, read_write> y: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.channels / WIDTH;
  if (index >= params.groups * params.chunks * channels) { return; }
  let block = index / channels;
  let c = index - block * channels;
  let group = block / params.chunks;
  let start = (block - group * params.chunks) * params.chunk;
  let m = mean[group * channels + c];
  var scale = rstd[group * channels + c];
  if (VARIANCE) { scale = Value(1.0) / sqrt(scale + params.eps); }
  var w = Value(1.0);
  if (WEIGHT) { w = weight[c]; }
  var b = Value(0.0);
  if (BIAS) { b = bias[c]; }
  let steps = min(params.chunk, params.rows - start);
  var at = (group * params.rows + start) * channels + c;
  for (var row = 0u; row < steps; row++) {
    var v = (x[at] - m) * scale;
    if (WEIGHT) { v *= w; }
    if (BIAS) { v += b; }
    v = select(params.slope * v, v, v > Value(0.0));
    if (RESIDUAL) { v += residual[at]; }
    y[at] = v;
    at += channels;
  }
}
