// ssim-mean: out[pair] = Σ_y sums[pair, y] / number of windows. One invocation takes one pair; each row is divided before
// it is added, so that the sum stays small and exact to a few units in the last place.
requires immediate_address_space;

struct Params { pairs: u32, width: u32, height: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let pair = (wid.y * count.x + wid.x) * 8u + lane;
  if (pair >= params.pairs) { return; }
  let rows = params.height - 10u;
  let columns = f32(params.width - 10u);
  var sum = 0.0;
  for (var y = 0u; y < rows; y++) { sum += sums[pair * rows + y] / columns; }
  out[pair] = sum / f32(rows);
}
