// One element of a convolution, from its definition: zeros outside x; ci runs over the channels of co's group.
// #include "../common/conv.wgsl"

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;

fn convolved(n: u32, oy: u32, ox: u32, co: u32) -> f32 {
  let window = pair(params.window);
  let stride = pair(params.stride);
  let padding = pair(params.padding);
  let dilation = pair(params.dilation);
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
  return sum;
}
