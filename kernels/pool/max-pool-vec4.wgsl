// maxPool2d on four channels per invocation; formula and buffers as in max-pool.wgsl.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "max-window.wgsl"

@group(0) @binding(2) var<storage, read_write> taps: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.outputs) { return; }
  let best = window(i);
  out[i] = activated(best.value);
  let t = vec4u(best.tap) << vec4u(0u, 8u, 16u, 24u);
  taps[i] = t.x | t.y | t.z | t.w;
}
