// Depthwise conv2d (groups = cin = cout, four channels at once): y[n, oy, ox, c] = f(bias[c] + Σ_tap x[pixel of tap, c] · weight[tap][c]).
// TRANSPOSED: its input gradient, x[n, iy, ix, c] = f(bias[c] + Σ y[windows that hold the pixel, c] · weight[tap][c]).
// One invocation: four channels of one pixel.
requires immediate_address_space;

const TRANSPOSED = false;

// #include "../common/conv.wgsl"

@group(0) @binding(0) var<storage, read> src: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dst: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.cin / 4u;
  let picture = vec2i(i32(params.h), i32(params.w));
  let windows = vec2i(i32(params.oh), i32(params.ow));
  let size = select(windows, picture, TRANSPOSED);
  let reach = select(picture, windows, TRANSPOSED);
  if (index >= params.batch * u32(size.x * size.y) * channels) { return; }
  let c = index % channels;
  let pixel = i32(index / channels);
  let at = vec2i((pixel / size.y) % size.x, pixel % size.y);
  let n = pixel / (size.x * size.y);
  let window = vec2i(pair(params.window));
  let stride = vec2i(pair(params.stride));
  let padding = vec2i(pair(params.padding));
  let dilation = vec2i(pair(params.dilation));
  var sum = bias[c];
  for (var ky = 0; ky < window.x; ky++) {
    for (var kx = 0; kx < window.y; kx++) {
      let tap = vec2i(ky, kx) * dilation - padding;
      var p = at * stride + tap;
      var hit = true;
      if (TRANSPOSED) {
        p = (at - tap) / stride;
        hit = all(p * stride == at - tap);
      }
      if (hit && all(p >= vec2i(0)) && all(p < reach)) {
        sum += src[u32((n * reach.x + p.x) * reach.y + p.y) * channels + c] * weight[u32(ky * window.y + kx) * channels + c];
      }
    }
  }
  dst[index] = select(params.slope * sum, sum, sum > vec4f(0.0));
}
