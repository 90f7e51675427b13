// norm backward, first pass: per chunk of rows S₁ = Σ g and S₂ = Σ g · x̂ with g = dy · f'(v), x̂ = (x − mean) · rstd.
// The sign of v = x̂ · weight + bias is computed again, not stored. partials [2][groups][chunks][channels].
// One invocation: one Value of one chunk.
requires immediate_address_space;

// #include "../common/value.wgsl"
const WEIGHT = false;
const BIAS = false;
const VARIANCE = false;

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32, eps: f32, slope: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> mean: array<Value>;
@group(0) @binding(2) var<storage, read> rstd: array<Value>;
@group(0) @binding(3) var<storage, read> weight: array<Value>;
@group(0) @binding(4) var<storage, read> bias: array<Value>;
@group(0) @binding(5) var<storage, read> gradient: array<Value>;
@group(0) @binding(6) var<storage, read_write> partials: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.channels / WIDTH;
  let total = params.groups * params.chunks * channels;
  if (index >= total) { return; }
  let c = index % channels;
  let chunk = (index / channels) % params.chunks;
  let group = index / (channels * params.chunks);
  let m = mean[group * channels + c];
  var r = rstd[group * channels + c];
  if (VARIANCE) { r = Value(1.0) / sqrt(r + params.eps); }
  var w = Value(1.0);
  if (WEIGHT) { w = weight[c]; }
  var b = Value(0.0);
  if (BIAS) { b = bias[c]; }
  let start = chunk * params.chunk;
  let to = min(start + params.chunk, params.rows);
  let base = group * params.rows * channels + c;
  var s1 = Value(0.0);
  var s2 = Value(0.0);
  for (var row = start; row < to; row++) {
    let at = base + row * channels;
    let n = (x[at] - m) * r;
    let v = n * w + b;
    let g = select(params.slope * gradient[at], gradient[at], v > Value(0.0));
    s1 += g;
    s2 += g * n;
  }
  partials[index] = s1;
  partials[total + index] = s2;
}
