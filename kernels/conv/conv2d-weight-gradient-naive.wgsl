// conv2dWeightGradient: weight[ky, kx, ci, co] = Σ_{n, oy, ox} x[n, oy·s − p + ky·d, ox·s − p + kx·d, g + ci] · y[n, oy, ox, co]
// where y = ∂L/∂y and g is the first input channel of co's group. One invocation computes one element.
requires immediate_address_space;

// #include "../common/conv.wgsl"

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> weight: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let window = pair(params.window);
  let stride = pair(params.stride);
  let padding = pair(params.padding);
  let dilation = pair(params.dilation);
  let depth = params.cin / params.groups;
  if (index >= window.x * window.y * depth * params.cout) { return; }
  let co = index % params.cout;
  let ci = (index / params.cout) % depth + co / (params.cout / params.groups) * depth;
  let kx = (index / (params.cout * depth)) % window.y;
  let ky = index / (params.cout * depth * window.y);
  var sum = 0.0;
  for (var n = 0u; n < params.batch; n++) {
    for (var oy = 0u; oy < params.oh; oy++) {
      let iy = i32(oy * stride.x + ky * dilation.x) - i32(padding.x);
      if (iy < 0 || iy >= i32(params.h)) { continue; }
      var row = 0.0;
      for (var ox = 0u; ox < params.ow; ox++) {
        let ix = i32(ox * stride.y + kx * dilation.y) - i32(padding.y);
        if (ix < 0 || ix >= i32(params.w)) { continue; }
        row += x[((n * params.h + u32(iy)) * params.w + u32(ix)) * params.cin + ci]
          * y[((n * params.oh + oy) * params.ow + ox) * params.cout + co];
      }
      sum += row;
    }
  }
  weight[index] = sum;
}
