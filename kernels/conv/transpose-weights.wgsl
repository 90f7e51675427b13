// Weights of a convolution as its input gradient reads them: out[tap][k][c] = source[tap][c % depth][g + k], where g is the
// first output channel of c's group; zeros in the padding (k ≥ columns / groups, c ≥ depth · groups).
requires immediate_address_space;

struct Params { taps: u32, depth: u32, columns: u32, groups: u32, toRows: u32, toColumns: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.taps * params.toRows * params.toColumns) { return; }
  let c = index % params.toColumns;
  let k = (index / params.toColumns) % params.toRows;
  let tap = index / (params.toColumns * params.toRows);
  let each = params.columns / params.groups;
  var value = 0.0;
  if (k < each && c < params.depth * params.groups) {
    value = source[(tap * params.depth + c % params.depth) * params.columns + c / params.depth * each + k];
  }
  out[index] = value;
}
