// maxPool2d backward on four channels per invocation; see max-pool-backward.wgsl.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "geometry.wgsl"
// #include "max-gather.wgsl"

fn tapOf(o: u32) -> vec4u {
  return (vec4u(taps[o]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
}
