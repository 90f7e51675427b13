// repitch: out[i][r][c] = source[i][r][c] where r < rows and c < columns, else 0. Copies matrices between row pitches:
// pads what vec4 loads need to a multiple of 4, or cuts the padding off again. One invocation computes one element.
requires immediate_address_space;

struct Params { matrices: u32, rows: u32, columns: u32, toRows: u32, toColumns: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.matrices * params.toRows * params.toColumns) { return; }
  let c = index % params.toColumns;
  let r = (index / params.toColumns) % params.toRows;
  let i = index / (params.toColumns * params.toRows);
  var value = 0.0;
  if (r < params.rows && c < params.columns) {
    value = source[(i * params.rows + r) * params.columns + c];
  }
  out[index] = value;
}
