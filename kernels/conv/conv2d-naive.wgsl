// conv2d: y[n, oy, ox, co] = f(Σ_{ky, kx, ci} x[n, oy·s − p + ky·d, ox·s − p + kx·d, ci] · weight[ky, kx, ci, co] + bias[co])
// with zeros outside x; ci runs over the channels of co's group. One invocation computes one element.
requires immediate_address_space;

// #include "../common/activation.wgsl"
// #include "../common/conv.wgsl"

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.batch * params.oh * params.ow * params.cout) { return; }
  let window = pair(params.window);
  let stride = pair(params.stride);
  let padding = pair(params.padding);
  let dilation = pair(params.dilation);
  let co = index % params.cout;
  let ox = (index / params.cout) % params.ow;
  let oy = (index / (params.cout * params.ow)) % params.oh;
  let n = index / (params.cout * params.ow * params.oh);
  let depth = params.cin / params.groups;
  let first = co / (params.cout / params.groups) * depth;
  var sum = bias[co];
  for (var ky = 0u; ky < window.x; ky++) {
    let iy = i32(oy * stride.x + ky * dilation.x) - i32(padding.x);
    if (iy < 0 || iy >= i32(params.h)) { continue; }
    for (var kx = 0u; kx < window.y; kx++) {
      let ix = i32(ox * stride.y + kx * dilation.y) - i32(padding.y);
      if (ix < 0 || ix >= i32(params.w)) { continue; }
      let start = ((n * params.h + u32(iy)) * params.w + u32(ix)) * params.cin + first;
      let tap = (ky * window.y + kx) * depth;
      for (var ci = 0u; ci < depth; ci++) {
        sum += x[start + ci] * weight[(tap + ci) * params.cout + co];
      }
    }
  }
  y[index] = activate(sum, params.slope);
}
