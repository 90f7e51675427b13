// repitch: out[i][r][c] = source[i][r][c] where r < rows and c < columns, else 0. Copies matrices between row pitches:
// pads what vec4 loads need to a multiple of 4, or cuts the padding off again. Columns are counted in Value: vec4 where
// both pitches allow. One invocation copies STEP neighbours of one line, so that finding the line is shared by four.
requires immediate_address_space;

// #include "value.wgsl"
const STEP = 4u;

struct Params { matrices: u32, rows: u32, columns: u32, toRows: u32, toColumns: u32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

fn steps() -> u32 { return (params.toColumns + STEP - 1u) / STEP; }

fn elements() -> u32 { return params.matrices * params.toRows * steps(); }

fn element(index: u32) {
  let line = index / steps();
  let first = (index - line * steps()) * STEP;
  let r = line % params.toRows;
  let base = (line / params.toRows * params.rows + r) * params.columns;
  for (var c = first; c < min(first + STEP, params.toColumns); c++) {
    var value = Value();
    if (r < params.rows && c < params.columns) { value = source[base + c]; }
    out[line * params.toColumns + c] = value;
  }
}

// #include "elements.wgsl"
