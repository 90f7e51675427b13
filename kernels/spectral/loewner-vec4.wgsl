// loewner as in loewner.wgsl, four columns j … j + 3 of one row each; n divisible by 4.
requires immediate_address_space;
// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

struct Params { batch: u32, n: u32, floor: f32, ceiling: f32, walk: u32 }
var<immediate> params: Params;
// #include "spectral-function.wgsl"

@group(0) @binding(0) var<storage, read> values: array<vec4f>;
@group(0) @binding(1) var<storage, read> inner: array<vec4f>;
@group(0) @binding(2) var<storage, read> skip: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;

fn elements() -> u32 { return params.batch * params.n * (params.n / 4u); }

fn element(index: u32) {
  let n = params.n;
  let width = n / 4u;
  let row = index / width; // b n + i
  let j = index % width;
  let i = row % n;
  let b = row / n;
  if (skip[b] != 0u) { return; }
  let below = (b * n + 4u * j) * width + i / 4u; // entry (4 j, i), then the rows after it
  let e = i % 4u;
  let opposite = vec4f(inner[below][e], inner[below + width][e], inner[below + 2u * width][e], inner[below + 3u * width][e]);
  let own = vec4f(values[row / 4u][row % 4u]);
  out[index] = dividedDifference(own, values[b * width + j]) * (0.5 * (inner[index] + opposite));
}

// #include "../common/elements.wgsl"
