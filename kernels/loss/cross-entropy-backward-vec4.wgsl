// cross-entropy backward as in cross-entropy-backward.wgsl, where rows are whole vec4. One invocation computes four elements
// of a row: what belongs to the row is read once for them.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

const SOFT = false;

struct Params { rows: u32, classes: u32, ignored: u32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read> logits: array<vec4f>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> targets: array<vec4f>;
@group(0) @binding(4) var<storage, read> logSum: array<vec4f>;
@group(0) @binding(5) var<storage, read> scale: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4f>;

fn elements() -> u32 { return params.rows * (params.classes / 4u); }

fn element(i: u32) {
  let fours = params.classes / 4u;
  let row = i / fours;
  let k = 4u * (i - row * fours);
  let parts = logSum[row];
  let probability = accurateExp(logits[i] - parts.x - parts.y);
  var d = vec4f(0.0);
  if (SOFT) { d = probability * parts.z - targets[i]; }
  else {
    let label = labels[row];
    if (label != params.ignored) {
      d = probability - select(vec4f(0.0), vec4f(1.0), vec4u(label) == k + vec4u(0u, 1u, 2u, 3u));
    }
  }
  out[i] = d * gradient[0] * scale[0];
}

// #include "../common/elements.wgsl"
