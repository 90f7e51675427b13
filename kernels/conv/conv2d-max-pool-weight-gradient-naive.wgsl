// conv2dMaxPoolWeightGradient: weight[ky, kx, ci, co] = Σ over 2 × 2 windows of x[pixel of the window's largest and tap, g + ci] · f′ · gradient,
// where g is the first input channel of co's group, and bias[co] = Σ f′ · gradient. One invocation computes one weight, or
// one bias behind them.
requires immediate_address_space;

// #include "../common/conv.wgsl"

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> taps: array<u32>;
@group(0) @binding(3) var<storage, read> result: array<f32>;
@group(0) @binding(4) var<storage, read_write> weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> bias: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let window = pair(params.window);
  let stride = pair(params.stride);
  let padding = pair(params.padding);
  let dilation = pair(params.dilation);
  let depth = params.cin / params.groups;
  let weights = window.x * window.y * depth * params.cout;
  if (index >= weights + params.cout) { return; }
  let co = index % params.cout;
  let ci = (index / params.cout) % depth + co / (params.cout / params.groups) * depth;
  let kx = (index / (params.cout * depth)) % window.y;
  let ky = index / (params.cout * depth * window.y);
  let down = params.oh / 2u;
  let across = params.ow / 2u;
  var sum = 0.0;
  for (var line = 0u; line < params.batch * down; line++) {
    let n = line / down;
    var row = 0.0;
    for (var wx = 0u; wx < across; wx++) {
      let at = (line * across + wx) * params.cout + co;
      var g = gradient[at];
      let tap = (taps[at / 4u] >> (8u * (at % 4u))) & 255u;
      if (tap > 3u) { continue; }
      if (params.slope != 1.0 && params.slope != 0.0 && !(result[at] > 0.0)) { g *= params.slope; }
      if (index >= weights) {
        row += g;
        continue;
      }
      let iy = i32((2u * (line - n * down) + tap / 2u) * stride.x + ky * dilation.x) - i32(padding.x);
      let ix = i32((2u * wx + tap % 2u) * stride.y + kx * dilation.y) - i32(padding.y);
      if (iy < 0 || iy >= i32(params.h) || ix < 0 || ix >= i32(params.w)) { continue; }
      row += x[((n * params.h + u32(iy)) * params.w + u32(ix)) * params.cin + ci] * g;
    }
    sum += row;
  }
  if (index < weights) { weight[index] = sum; } else { bias[index - weights] = sum; }
}
