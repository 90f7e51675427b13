// conv2d, depthwise: every channel is a group of its own, so y[n, oy, ox, c] = f(Σ_{ky, kx} x[n, oy·s − p + ky·d,
// ox·s − p + kx·d, c] · weight[ky, kx, c] + bias[c]), zeros outside x. One invocation computes four neighbouring channels
// of one position: x and weight are read as vec4. The number of channels is a multiple of 4.
requires immediate_address_space;

// #include "../common/activation.wgsl"
// #include "../common/conv.wgsl"

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.cout / 4u;
  if (index >= params.batch * params.oh * params.ow * channels) { return; }
  let window = pair(params.window);
  let stride = pair(params.stride);
  let padding = pair(params.padding);
  let dilation = pair(params.dilation);
  let c = index % channels;
  let ox = (index / channels) % params.ow;
  let oy = (index / (channels * params.ow)) % params.oh;
  let n = index / (channels * params.ow * params.oh);
  var sum = bias[c];
  for (var ky = 0u; ky < window.x; ky++) {
    // Unsigned: a position before the edge wraps round to one past the other edge.
    let iy = oy * stride.x + ky * dilation.x - padding.x;
    if (iy >= params.h) { continue; }
    for (var kx = 0u; kx < window.y; kx++) {
      let ix = ox * stride.y + kx * dilation.y - padding.y;
      if (ix >= params.w) { continue; }
      sum += x[((n * params.h + iy) * params.w + ix) * channels + c] * weight[(ky * window.y + kx) * channels + c];
    }
  }
  let s = params.slope;
  y[index] = vec4f(activate(sum.x, s), activate(sum.y, s), activate(sum.z, s), activate(sum.w, s));
}
