// Gradient of Σ |x − y| or Σ (x − y)² for the first operand, times gradient[0] and factor:
// sign(x − y) or 2 (x − y). One invocation computes one Value.
requires immediate_address_space;

// #include "../common/value.wgsl"

const SQUARED = false;

struct Params { size: u32, factor: f32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read> y: array<Value>;
@group(0) @binding(3) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return (params.size + WIDTH - 1u) / WIDTH; }

fn element(i: u32) {
  let scale = gradient[0] * params.factor;
  let d = x[i] - y[i];
  if (SQUARED) { out[i] = (2.0 * scale) * d; }
  else { out[i] = scale * sign(d); }
}

// #include "../common/elements.wgsl"
