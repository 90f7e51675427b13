// maxPool2d: out[n, y, x, c] = f(max over the window) of x[n, y·SH − PH + ky, x·SW − PW + kx, c]; positions outside count
// as −∞. `taps` keeps ky·KW + kx of the first maximum, a byte per output; 255 where f is a ReLU and cut it off. One
// invocation computes four neighbours of `out` (so that it writes whole words of taps), one after the other.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "max-window.wgsl"

@group(0) @binding(2) var<storage, read_write> taps: array<u32>;

fn elements() -> u32 { return (params.outputs + 3u) / 4u; }

fn element(i: u32) {
  var word = 0u;
  for (var k = 0u; k < 4u; k++) {
    let index = 4u * i + k;
    if (index >= params.outputs) { break; }
    let best = window(index);
    out[index] = activated(best.value);
    word |= tapOf(best) << (8u * k);
  }
  taps[i] = word;
}

// #include "../common/elements.wgsl"
