// Depthwise weight gradient, four channels at once: partials[part][tap][c] = Σ x[pixel of window and tap, c] · y[window, c] over
// the part's own lines of windows. One invocation: four channels of one tap and part.
requires immediate_address_space;

struct Params {
  batch: u32,
  h: u32, w: u32, cin: u32,
  oh: u32, ow: u32,
  window: u32, stride: u32, padding: u32, dilation: u32,
  part: u32, parts: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec4f>;

fn pair(packed: u32) -> vec2i { return vec2i(i32(packed & 0xffffu), i32(packed >> 16u)); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.cin / 4u;
  let window = pair(params.window);
  let taps = u32(window.x * window.y);
  if (index >= params.parts * taps * channels) { return; }
  let c = index % channels;
  let tap = i32((index / channels) % taps);
  let part = index / (channels * taps);
  let stride = pair(params.stride);
  let offset = vec2i(tap / window.y, tap % window.y) * pair(params.dilation) - pair(params.padding);
  let end = min((part + 1u) * params.part, params.batch * params.oh);
  var sum = vec4f(0.0);
  for (var line = part * params.part; line < end; line++) {
    let iy = i32(line % params.oh) * stride.x + offset.x;
    if (iy < 0 || iy >= i32(params.h)) { continue; }
    let start = (line / params.oh * params.h + u32(iy)) * params.w;
    for (var ox = 0u; ox < params.ow; ox++) {
      let ix = i32(ox) * stride.y + offset.y;
      if (ix < 0 || ix >= i32(params.w)) { continue; }
      sum += x[(start + u32(ix)) * channels + c] * y[(line * params.ow + ox) * channels + c];
    }
  }
  partials[index] = sum;
}
