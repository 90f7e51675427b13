// norm backward, third pass: dx = weight · rstd · (g − S₁/rows − x̂ · S₂/rows), g and x̂ as in gradient-sums.wgsl.
// FIXED (running statistics, which do not depend on x): dx = weight · rstd · g. One invocation: one Value.
requires immediate_address_space;

// #include "../common/value.wgsl"
const WEIGHT = false;
const BIAS = false;
const VARIANCE = false;
const FIXED = false;

struct Params { groups: u32, rows: u32, channels: u32, eps: f32, slope: f32 }
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
  if (index >= params.groups * params.rows * channels) { return; }
  let c = index % channels;
  let at = index / (params.rows * channels) * channels + c;
  var r = rstd[at];
  if (VARIANCE) { r = Value(1.0) / sqrt(r + params.eps); }
  var w = Value(1.0);
  if (WEIGHT) { w = weight[c]; }
  var b = Value(0.0);
  if (BIAS) { b = bias[c]; }
  let n = (x[index] - mean[at]) * r;
  let v = n * w + b;
  var g = select(params.slope * gradient[index], gradient[index], v > Value(0.0));
  if (!FIXED) {
    let rows = f32(params.rows);
    g -= sums[at] / rows + n * (sums[params.groups * channels + at] / rows);
  }
  dx[index] = w * r * g;
}
