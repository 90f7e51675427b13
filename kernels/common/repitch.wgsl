// repitch: out[i][r][c] = source[i][r][c] where r < rows and c < columns, else 0. Copies matrices between row pitches:
// pads what vec4 loads need to a multiple of 4, or cuts the padding off again. Columns are counted in Value: vec4 where
// both pitches allow. One invocation copies STEP neighbours of one line, so that finding the line is shared by four.
requires immediate_address_space;

// #include "value.wgsl"
const STEP = 4u;

struct Params { matrices: u32, rows: u32, columns: u32, toRows: u32, toColumns: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let steps = (params.toColumns + STEP - 1u) / STEP;
  let line = index / steps;
  if (line >= params.matrices * params.toRows) { return; }
  let first = index % steps * STEP;
  let r = line % params.toRows;
  let base = (line / params.toRows * params.rows + r) * params.columns;
  for (var c = first; c < min(first + STEP, params.toColumns); c++) {
    var value = Value();
    if (r < params.rows && c < params.columns) { value = source[base + c]; }
    out[line * params.toColumns + c] = value;
  }
}
