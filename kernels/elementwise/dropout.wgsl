// dropout: out[i] = x[i] / (1 − rate) with probability 1 − rate, else 0; element i stays if its number of the
// generator's draw `call`, uniform in (0, 1), is at least `rate`. The same call gives the same mask, so backward draws
// it again. One invocation computes four neighbours: one Philox block.
requires immediate_address_space;

// #include "../common/philox.wgsl"

struct Params { size: u32, rate: f32, call: u32, key0: u32, key1: u32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

fn elements() -> u32 { return (params.size + 3u) / 4u; }

fn element(i: u32) {
  let u = toUnit(philox(vec4u(i, params.call, 0u, 0u), vec2u(params.key0, params.key1)));
  out[i] = select(vec4f(0.0), x[i] / (1.0 - params.rate), u >= vec4f(params.rate));
}

// #include "../common/elements.wgsl"
