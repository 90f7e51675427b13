// cross-entropy backward: gradient · scale · (softmax(z)_k · Σ t − t_k), t the one-hot label or the soft target; 0 for
// ignored rows. One invocation computes one element.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

const SOFT = false;

struct Params { rows: u32, classes: u32, ignored: u32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> targets: array<f32>;
@group(0) @binding(4) var<storage, read> logSum: array<vec4f>;
@group(0) @binding(5) var<storage, read> scale: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

fn elements() -> u32 { return params.rows * params.classes; }

fn element(i: u32) {
  let row = i / params.classes;
  let k = i - row * params.classes;
  let parts = logSum[row];
  let probability = accurateExp(logits[i] - parts.x - parts.y);
  var d = 0.0;
  if (SOFT) { d = probability * parts.z - targets[i]; }
  else if (labels[row] != params.ignored) { d = probability - select(0.0, 1.0, labels[row] == k); }
  out[i] = d * gradient[0] * scale[0];
}

// #include "../common/elements.wgsl"
