// maxPool2d backward for windows that neither overlap nor leave gaps: they tile the picture, and those cut off at the
// far edges have no gradient. One invocation takes `chunk` tiles side by side, four channels each: it reads a tile's
// gradient and taps once and writes all its positions.
requires immediate_address_space;

// #include "walk.wgsl"

const KH = 2u;
const KW = 2u;
const SLOPE = 1.0; // of the activation after the pooling, below zero; its gradient goes by its result's sign, a ReLU's by the taps

struct Params {
  height: u32, width: u32, channels: u32, outHeight: u32, outWidth: u32, rows: u32, chunk: u32, chunks: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read> taps: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<storage, read> result: array<vec4f>;

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * LANES + lane;
  if (index >= params.rows * params.chunks * params.channels) { return; }
  let walk = walkOf(index);
  let lines = (params.height + KH - 1u) / KH;
  let n = walk.line / lines;
  let ty = walk.line - n * lines;
  let end = min(walk.start + params.chunk, (params.width + KW - 1u) / KW);
  for (var tx = walk.start; tx < end; tx++) {
    var g = vec4f(0.0);
    var tap = vec4u(255u);
    if (ty < params.outHeight && tx < params.outWidth) {
      let o = ((n * params.outHeight + ty) * params.outWidth + tx) * params.channels + walk.c;
      g = gradient[o];
      if (SLOPE != 1.0 && SLOPE != 0.0) { g = select(SLOPE * g, g, result[o] > vec4f(0.0)); }
      tap = (vec4u(taps[o]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
    }
    for (var ky = 0u; ky < KH; ky++) {
      for (var kx = 0u; kx < KW; kx++) {
        let y = ty * KH + ky;
        let x = tx * KW + kx;
        if (y < params.height && x < params.width) {
          out[((n * params.height + y) * params.width + x) * params.channels + walk.c] =
            select(vec4f(0.0), g, tap == vec4u(ky * KW + kx));
        }
      }
    }
  }
}
