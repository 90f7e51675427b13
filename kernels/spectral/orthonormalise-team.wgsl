// orthonormalise as in orthonormalise.wgsl, for GPUs: one workgroup of ACROSS teams' columns, four to an invocation, by
// SIZE / ACROSS lines of rows; columns divisible by 4 and at most 4 · ACROSS, rows ≤ 512. Products with the column being taken
// out and its own norm come from one sum, joined by halves.
requires immediate_address_space;

struct Params { rows: u32, columns: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> matrix: array<vec4f>;

const SIZE = 256u;
const ACROSS = 32u; // a power of two
const MAX_ROWS = 512u;
var<workgroup> partial: array<vec4f, SIZE>;
var<workgroup> taken: array<f32, MAX_ROWS>;

@compute @workgroup_size(SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  let down = SIZE / ACROSS;
  let rows = params.rows;
  let width = params.columns / 4u;
  let c = lane % ACROSS;
  let line = lane / ACROSS;
  let first = 4u * c;
  for (var round = 0u; round < 2u; round++) {
    for (var j = 0u; j < params.columns; j++) {
      for (var r = lane; r < rows; r += SIZE) { taken[r] = matrix[r * width + j / 4u][j % 4u]; }
      workgroupBarrier();
      // Columns left of j are done.
      let plays = c >= j / 4u && c < width;
      var overlap = vec4f(0.0);
      if (plays) {
        for (var r = line; r < rows; r += down) { overlap += taken[r] * matrix[r * width + c]; }
      }
      partial[lane] = overlap;
      workgroupBarrier();
      for (var half = down / 2u; half > 0u; half /= 2u) {
        if (line < half) { partial[lane] += partial[lane + half * ACROSS]; }
        workgroupBarrier();
      }
      let square = partial[j / 4u][j % 4u];
      if (plays) {
        let right = vec4u(first, first + 1u, first + 2u, first + 3u) > vec4u(j);
        let factor = select(vec4f(0.0), partial[c] / square, right);
        let scale = 1.0 / sqrt(square);
        for (var r = line; r < rows; r += down) {
          let at = r * width + c;
          matrix[at] = matrix[at] - factor * taken[r];
          if (c == j / 4u) { matrix[at][j % 4u] = scale * taken[r]; }
        }
      }
      storageBarrier();
      workgroupBarrier();
    }
  }
}
