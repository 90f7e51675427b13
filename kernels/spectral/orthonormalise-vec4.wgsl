// orthonormalise as in orthonormalise.wgsl, with the column being taken out in workgroup memory and four columns per
// invocation; columns divisible by 4, rows ≤ 512. GUARDED: only where `dependent` (cholesky.wgsl).
requires immediate_address_space;

struct Params { rows: u32, columns: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> matrix: array<vec4f>;
@group(0) @binding(1) var<storage, read> dependent: array<u32>;

const GUARDED = false;
const SIZE = 64u;
const MAX_ROWS = 512u;
var<workgroup> partial: array<f32, SIZE>;
var<workgroup> taken: array<f32, MAX_ROWS>;
var<workgroup> rounds: u32;

@compute @workgroup_size(SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  let rows = params.rows;
  let width = params.columns / 4u;
  if (lane == 0u) { rounds = select(2u, 0u, GUARDED && dependent[0] == 0u); }
  let wanted = workgroupUniformLoad(&rounds);
  for (var round = 0u; round < wanted; round++) {
    for (var j = 0u; j < params.columns; j++) {
      var sum = 0.0;
      for (var r = lane; r < rows; r += SIZE) {
        let x = matrix[r * width + j / 4u][j % 4u];
        taken[r] = x;
        sum += x * x;
      }
      partial[lane] = sum;
      workgroupBarrier();
      var norm = 0.0;
      for (var i = 0u; i < SIZE; i++) { norm += partial[i]; }
      let scale = 1.0 / sqrt(norm);
      // Columns left of j are done; those of j's own vec4 right of j still lose their part along j.
      for (var c = j / 4u + lane; c < width; c += SIZE) {
        var overlap = vec4f(0.0);
        for (var r = 0u; r < rows; r++) { overlap += taken[r] * matrix[r * width + c]; }
        let first = 4u * c;
        let right = vec4u(first, first + 1u, first + 2u, first + 3u) > vec4u(j);
        let factor = select(vec4f(0.0), overlap * (scale * scale), right);
        for (var r = 0u; r < rows; r++) {
          matrix[r * width + c] = matrix[r * width + c] - factor * taken[r];
        }
        if (c == j / 4u) {
          for (var r = 0u; r < rows; r++) { matrix[r * width + c][j % 4u] = scale * taken[r]; }
        }
      }
      storageBarrier();
      workgroupBarrier();
    }
  }
}
