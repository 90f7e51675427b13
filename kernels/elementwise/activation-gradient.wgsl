// activationGradient: out = gradient · f'(x), written with y = f(x) alone (relu and leakyRelu keep the sign of x).
// One invocation: one vec4.
requires immediate_address_space;

const ACTIVATION = 1u; // as in common/activation.wgsl

struct Params { size: u32, slope: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * 4u >= params.size) { return; }
  let g = gradient[i];
  let v = y[i];
  switch ACTIVATION {
    case 3u: { out[i] = g * (1.0 - v * v); }
    case 4u: { out[i] = g * v * (1.0 - v); }
    case 5u: { out[i] = select(vec4f(0.0), g, (v > vec4f(0.0)) & (v < vec4f(6.0))); }
    default: { out[i] = select(params.slope * g, g, v > vec4f(0.0)); }
  }
}
