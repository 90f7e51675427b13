// conv2dMaxPool: out[n, y, x, co] = f(max over 2 × 2 positions of (x ∗ weight + bias)), windows side by side; `taps` keeps the
// first maximum's place in its window, a byte per output, 255 where f is a ReLU and cut it off. One invocation
// computes four neighbouring channels, one after the other, so that it writes whole words of taps.
requires immediate_address_space;

// #include "../common/activation.wgsl"
// #include "convolved.wgsl"

@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> taps: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  let down = params.oh / 2u;
  let across = params.ow / 2u;
  let outputs = params.batch * down * across * params.cout;
  var word = 0u;
  for (var k = 0u; k < 4u; k++) {
    let index = 4u * i + k;
    if (index >= outputs) { break; }
    let co = index % params.cout;
    let ox = (index / params.cout) % across;
    let oy = (index / (params.cout * across)) % down;
    let n = index / (params.cout * across * down);
    var best = 0.0;
    var tap = 0u;
    for (var position = 0u; position < 4u; position++) {
      let value = convolved(n, 2u * oy + position / 2u, 2u * ox + position % 2u, co);
      if (position == 0u || value > best || (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u) { // NaN is the largest
        best = value;
        tap = position;
      }
    }
    out[index] = activate(best, params.slope);
    if (params.slope == 0.0 && !(best > 0.0)) { tap = 255u; }
    word |= tap << (8u * k);
  }
  if (4u * i < outputs) { taps[i] = word; }
}
