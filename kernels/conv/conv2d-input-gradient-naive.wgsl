// conv2dInputGradient: x[n, iy, ix, ci] = f(Σ_{ky, kx, co} y[n, oy, ox, co] · weight[ky, kx, ci, co] + bias[ci]) over the
// windows that contain (iy, ix): oy·s − p + ky·d = iy, and ox alike; co runs over the channels of ci's group.
// With y = ∂L/∂y this is ∂L/∂x; with y an input it is the transposed convolution. One invocation computes one element.
requires immediate_address_space;

// #include "../common/activation.wgsl"
// #include "../common/conv.wgsl"

@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.batch * params.h * params.w * params.cin) { return; }
  let window = pair(params.window);
  let stride = vec2i(pair(params.stride));
  let padding = vec2i(pair(params.padding));
  let dilation = vec2i(pair(params.dilation));
  let ci = index % params.cin;
  let ix = i32((index / params.cin) % params.w);
  let iy = i32((index / (params.cin * params.w)) % params.h);
  let n = index / (params.cin * params.w * params.h);
  let depth = params.cin / params.groups;
  let columns = params.cout / params.groups;
  let first = ci / depth * columns;
  var sum = bias[ci];
  for (var ky = 0u; ky < window.x; ky++) {
    let ty = iy + padding.x - i32(ky) * dilation.x;
    let oy = ty / stride.x;
    if (ty < 0 || oy * stride.x != ty || oy >= i32(params.oh)) { continue; }
    for (var kx = 0u; kx < window.y; kx++) {
      let tx = ix + padding.y - i32(kx) * dilation.y;
      let ox = tx / stride.y;
      if (tx < 0 || ox * stride.y != tx || ox >= i32(params.ow)) { continue; }
      let start = ((n * params.oh + u32(oy)) * params.ow + u32(ox)) * params.cout + first;
      let tap = ((ky * window.y + kx) * depth + ci % depth) * params.cout + first;
      for (var co = 0u; co < columns; co++) {
        sum += y[start + co] * weight[tap + co];
      }
    }
  }
  x[index] = activate(sum, params.slope);
}
