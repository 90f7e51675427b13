// activation: out[i] = f(out[i]) in place, the epilogue of products whose kernel leaves tanh, sigmoid and relu6 to a second
// pass. One invocation: one vec4.
requires immediate_address_space;

// #include "../common/activation.wgsl"

struct Params { size: u32, slope: f32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> out: array<vec4f>;

fn elements() -> u32 { return (params.size + 3u) / 4u; }

fn element(i: u32) {
  let x = out[i];
  let s = params.slope;
  out[i] = vec4f(activate(x.x, s), activate(x.y, s), activate(x.z, s), activate(x.w, s));
}

// #include "../common/elements.wgsl"
