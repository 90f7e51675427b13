// squared-norm: out[b] = Σ x[b, :]², in a fixed order. One workgroup per sample.
requires immediate_address_space;

struct Params { batch: u32, size: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let b = wid.y * count.x + wid.x;
  if (b >= params.batch) { return; }
  var sum = 0.0;
  for (var i = lane; i < params.size; i += 64u) {
    let value = x[b * params.size + i];
    sum += value * value;
  }
  partial[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    var total = 0.0;
    for (var i = 0u; i < 64u; i++) { total += partial[i]; }
    out[b] = total;
  }
}
