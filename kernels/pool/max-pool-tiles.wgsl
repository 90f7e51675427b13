// maxPool2d for windows that neither overlap nor leave gaps; formula and buffers as in max-pool.wgsl. One invocation takes
// `chunk` windows side by side, four channels each: it finds their place once.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/extremes.wgsl"
// #include "walk.wgsl"

const KH = 2u;
const KW = 2u;
const SLOPE = 1.0;

struct Params { height: u32, width: u32, channels: u32, outHeight: u32, outWidth: u32, rows: u32, chunk: u32, chunks: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> taps: array<u32>;

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * LANES + lane;
  if (index >= params.rows * params.chunks * params.channels) { return; }
  let walk = walkOf(index);
  let n = walk.line / params.outHeight;
  let y = (walk.line - n * params.outHeight) * KH;
  var at = ((n * params.height + y) * params.width + walk.start * KW) * params.channels + walk.c;
  var to = (walk.line * params.outWidth + walk.start) * params.channels + walk.c;
  let steps = min(params.chunk, params.outWidth - walk.start);
  for (var i = 0u; i < steps; i++) {
    var best = x[at];
    var tap = vec4u(0u);
    for (var ky = 0u; ky < KH; ky++) {
      for (var kx = 0u; kx < KW; kx++) {
        let v = x[at + (ky * params.width + kx) * params.channels];
        let better = (v > best) | (magnitudeBits(v) > INFINITE); // NaN is the largest
        tap = select(tap, vec4u(ky * KW + kx), better);
        best = select(best, v, better);
      }
    }
    out[to] = select(SLOPE * best, best, (best > vec4f(0.0)) | (magnitudeBits(best) > INFINITE)); // 0 · NaN would be folded to 0
    if (SLOPE == 0.0) { tap = select(vec4u(255u), tap, best > vec4f(0.0)); }
    let bytes = tap << vec4u(0u, 8u, 16u, 24u);
    taps[to] = bytes.x | bytes.y | bytes.z | bytes.w;
    at += KW * params.channels;
    to += params.channels;
  }
}
