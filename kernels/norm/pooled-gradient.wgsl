// Backward of norm, activation and max pooling, third pass: dx = weight · rstd · (g − S₁/positions − x̂ · S₂/positions), g as in
// pooled-gradient-sums.wgsl; FIXED: dx = weight · rstd · g. One invocation: one Value of `chunk` windows side by side, those
// cut off at the far edges included; `rows` lines of them.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "affine.wgsl"
// #include "pooled.wgsl"
// #include "../pool/walk.wgsl"

@group(0) @binding(5) var<storage, read> gradient: array<Value>;
@group(0) @binding(6) var<storage, read> sums: array<Value>;
@group(0) @binding(7) var<storage, read_write> dx: array<Value>;

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * LANES + lane;
  if (index >= params.rows * params.chunks * params.channels) { return; }
  let walk = walkOf(index);
  let a = affineOf(walk.c, walk.c);
  var s1 = Value(0.0);
  var s2 = Value(0.0);
  if (!FIXED) {
    s1 = sums[walk.c] / params.positions;
    s2 = sums[params.channels + walk.c] / params.positions;
  }
  let lines = (params.height + KH - 1u) / KH;
  let picture = walk.line / lines;
  let ty = walk.line - picture * lines;
  let end = min(walk.start + params.chunk, (params.width + KW - 1u) / KW);
  for (var tx = walk.start; tx < end; tx++) {
    let at = windowAt(walk.line, lines, tx) + walk.c;
    var g = Value(0.0);
    var tap = Uint(KH * KW);
    if (ty < params.outHeight && tx < params.outWidth) {
      let best = firstLargest(at, a);
      let dy = gradient[((picture * params.outHeight + ty) * params.outWidth + tx) * params.channels + walk.c];
      g = throughActivation(dy, best.before);
      tap = best.tap;
    }
    for (var ky = 0u; ky < KH; ky++) {
      for (var kx = 0u; kx < KW; kx++) {
        if (ty * KH + ky < params.height && tx * KW + kx < params.width) {
          let here = at + (ky * params.width + kx) * params.channels;
          var d = select(Value(0.0), g, tap == Uint(ky * KW + kx));
          if (!FIXED) { d -= s1 + normalised(x[here], a) * s2; }
          dx[here] = a.weight * a.rstd * d;
        }
      }
    }
  }
}
