// unary: out[i] = f(x[i]); f is picked by OP (unary.ts lists them), alpha and beta are its numbers.
// One invocation computes one Value; the tail past `size` lies in the buffers' padding.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

const OP = 0u;

struct Params { size: u32, alpha: f32, beta: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

fn integerPower(v: Value, exponent: u32) -> Value {
  var y = Value(1.0);
  for (var i = 0u; i < exponent; i++) { y *= v; }
  return y;
}

fn power(v: Value, exponent: f32) -> Value {
  if (exponent == 0.5) { return sqrt(v); }
  if (abs(exponent) <= 8.0 && exponent == floor(exponent)) {
    let y = integerPower(v, u32(abs(exponent)));
    if (exponent < 0.0) { return 1.0 / y; }
    return y;
  }
  return accurateExp(exponent * accurateLog(v));
}

fn f(v: Value) -> Value {
  switch OP {
    case 0u: { return v * params.alpha + params.beta; }
    case 1u: { return v / params.alpha; }
    case 2u: { return params.alpha / v; }
    case 3u: { return abs(v); }
    case 4u: { return v * v; }
    case 5u: { return sqrt(v); }
    case 6u: { return accurateExp(v); }
    case 7u: { return accurateLog(v); }
    case 8u: { return power(v, params.alpha); }
    case 9u: { return clamp(v, Value(params.alpha), Value(params.beta)); }
    case 10u: { return max(v, Value(0.0)); }
    case 11u: { return select(v * params.alpha, v, v > Value(0.0)); }
    case 12u: { return accurateTanh(v); }
    case 13u: { return accurateSigmoid(v); }
    default: { return 1.0 / sqrt(v + params.alpha); }
  }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * WIDTH >= params.size) { return; }
  out[i] = f(x[i]);
}
