// maxPool2d on four channels per invocation; formula and buffers as in max-pool.wgsl.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "max-window.wgsl"

@group(0) @binding(2) var<storage, read_write> taps: array<u32>;

fn elements() -> u32 { return params.outputs; }

fn element(i: u32) {
  let best = window(i);
  out[i] = activated(best.value);
  let t = tapOf(best) << vec4u(0u, 8u, 16u, 24u);
  taps[i] = t.x | t.y | t.z | t.w;
}

// #include "../common/elements.wgsl"
