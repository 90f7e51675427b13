// unary backward: out[i] = gradient[i] · f'(…), from f's input or its output, whichever unary.ts names as `saved`.
// One invocation computes one Value.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

const OP = 3u; // as in unary.wgsl

struct Params { size: u32, alpha: f32, beta: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<Value>;
@group(0) @binding(1) var<storage, read> saved: array<Value>;
@group(0) @binding(2) var<storage, read_write> out: array<Value>;

fn powerDerivative(v: Value, exponent: f32) -> Value {
  if (exponent == 0.5) { return 0.5 / sqrt(v); }
  if (abs(exponent) <= 8.0 && exponent == floor(exponent)) {
    var y = Value(exponent);
    if (exponent > 0.0) {
      for (var i = 1u; i < u32(exponent); i++) { y *= v; }
    } else {
      for (var i = 0u; i <= u32(-exponent); i++) { y /= v; }
    }
    return y;
  }
  return exponent * accurateExp((exponent - 1.0) * accurateLog(v));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * WIDTH >= params.size) { return; }
  let g = gradient[i];
  let v = saved[i];
  let zero = Value(0.0);
  var d: Value;
  switch OP {
    case 2u: { d = -g * params.alpha / (v * v); }
    case 3u: { d = g * sign(v); }
    case 4u: { d = 2.0 * g * v; }
    case 5u: { d = 0.5 * g / v; }
    case 6u: { d = g * v; }
    case 7u: { d = g / v; }
    case 8u: { d = g * powerDerivative(v, params.alpha); }
    case 9u: { d = select(zero, g, (v >= Value(params.alpha)) & (v <= Value(params.beta))); }
    case 10u: { d = select(zero, g, v > zero); }
    case 11u: { d = select(g * params.alpha, g, v > zero); }
    case 12u: { d = g * (1.0 - v * v); }
    default: { d = g * v * (1.0 - v); }
  }
  out[i] = d;
}
