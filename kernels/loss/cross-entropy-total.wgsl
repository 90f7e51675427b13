// Sums the rows' losses and weights, one workgroup in a fixed order: invocation l adds rows l, l + 64, …, the first
// invocation adds the 64 sums. `scale` holds what backward multiplies by: 1, or 1 / Σ weights for the mean (0 when all
// rows are ignored, where the loss is 0 as well).
requires immediate_address_space;

const MEAN = true;

struct Params { rows: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> losses: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read_write> scale: array<f32>;

var<workgroup> sums: array<vec2f, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = vec2f(0.0);
  for (var row = lane; row < params.rows; row += 64u) { sum += vec2f(losses[row], weights[row]); }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane > 0u) { return; }
  for (var l = 1u; l < 64u; l++) { sum += sums[l]; }
  var factor = 1.0;
  if (MEAN) { factor = select(0.0, 1.0 / sum.y, sum.y > 0.0); }
  out[0] = sum.x * factor;
  scale[0] = factor;
}
