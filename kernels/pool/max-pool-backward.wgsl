// maxPool2d backward, gathered: out[n, y, x, c] = Σ of gradient over the windows whose first maximum is here, that is,
// whose tap byte is this position's own. One invocation computes one element; windows in fixed order, no atomics.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "geometry.wgsl"
// #include "max-gather.wgsl"

fn tapOf(o: u32) -> u32 {
  return (taps[o / 4u] >> (8u * (o % 4u))) & 255u;
}
