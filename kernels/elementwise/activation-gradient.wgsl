// activationGradient: out = gradient · f'(x), written with y = f(x) alone (relu and leakyRelu keep the sign of x).
// One invocation: one vec4.
requires immediate_address_space;

const ACTIVATION = 1u; // as in common/activation.wgsl

struct Params { size: u32, slope: f32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

fn elements() -> u32 { return (params.size + 3u) / 4u; }

fn element(i: u32) {
  let g = gradient[i];
  let v = y[i];
  switch ACTIVATION {
    case 3u: { out[i] = g * (1.0 - v * v); }
    case 4u: { out[i] = g * v * (1.0 - v); }
    case 5u: { out[i] = select(vec4f(0.0), g, (v > vec4f(0.0)) & (v < vec4f(6.0))); }
    default: { out[i] = select(params.slope * g, g, v > vec4f(0.0)); }
  }
}

// #include "../common/elements.wgsl"
