// Backward of norm, activation and max pooling, first pass: per chunk of windows S₁ = Σ g and S₂ = Σ g · x̂ at the windows'
// largest, g = dy · f'; elsewhere g is zero. Which one is the largest is found again, not stored.
// partials [2][chunks][channels]. One invocation: one Value of one chunk; `rows` windows.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "affine.wgsl"
// #include "pooled.wgsl"

@group(0) @binding(5) var<storage, read> gradient: array<Value>;
@group(0) @binding(6) var<storage, read_write> partials: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let total = params.chunks * params.channels;
  if (index >= total) { return; }
  let chunk = index / params.channels;
  let c = index - chunk * params.channels;
  let a = affineOf(c, c);
  let start = chunk * params.chunk;
  let to = min(start + params.chunk, params.rows);
  var line = start / params.outWidth;
  var column = start - line * params.outWidth;
  var at = windowAt(line, params.outHeight, column) + c;
  var s1 = Value(0.0);
  var s2 = Value(0.0);
  for (var row = start; row < to; row++) {
    let best = firstLargest(at, a);
    let dy = gradient[row * params.channels + c];
    let g = throughActivation(dy, best.before);
    s1 += g;
    s2 += g * best.n;
    at += KW * params.channels;
    column++;
    if (column == params.outWidth) {
      column = 0u;
      line++;
      at = windowAt(line, params.outHeight, 0u) + c;
    }
  }
  partials[index] = s1;
  partials[total + index] = s2;
}
