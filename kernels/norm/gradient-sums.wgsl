// norm backward, first pass: per chunk of rows S₁ = Σ g and S₂ = Σ g · x̂ with g = dy · f'(v), x̂ = (x − mean) · rstd.
// The sign of v = x̂ · weight + bias is computed again, not stored. partials [2][groups][chunks][channels].
// One invocation: one Value of one chunk.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "affine.wgsl"

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32, eps: f32, slope: f32 }
var<immediate> params: Params;

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
  let a = affineOf(group * channels + c, c);
  let start = chunk * params.chunk;
  let to = min(start + params.chunk, params.rows);
  let base = group * params.rows * channels + c;
  var s1 = Value(0.0);
  var s2 = Value(0.0);
  for (var row = start; row < to; row++) {
    let at = base + row * channels;
    let n = normalised(x[at], a);
    let g = throughActivation(gradient[at], shifted(n, a));
    s1 += g;
    s2 += g * n;
  }
  partials[index] = s1;
  partials[total + index] = s2;
}
