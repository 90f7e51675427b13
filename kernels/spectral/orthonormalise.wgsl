// orthonormalise: matrix ← Q of matrix = Q R with a positive diagonal of R, in place; matrix [rows, columns], row-major,
// rows ≥ columns. Modified Gram–Schmidt, right-looking, twice: once leaves an error of the condition number times the
// rounding, twice is enough (Giraud, Langou & Rozložník 2005). One workgroup; an invocation owns every 64th column, and
// every 64th row when a column is measured or scaled.
requires immediate_address_space;

struct Params { rows: u32, columns: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> matrix: array<f32>;

const SIZE = 64u;
var<workgroup> partial: array<f32, SIZE>;

@compute @workgroup_size(SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  let rows = params.rows;
  let columns = params.columns;
  for (var round = 0u; round < 2u; round++) {
    for (var j = 0u; j < columns; j++) {
      var sum = 0.0;
      for (var r = lane; r < rows; r += SIZE) {
        let x = matrix[r * columns + j];
        sum += x * x;
      }
      partial[lane] = sum;
      workgroupBarrier();
      var norm = 0.0;
      for (var i = 0u; i < SIZE; i++) { norm += partial[i]; }
      let scale = 1.0 / sqrt(norm);
      for (var r = lane; r < rows; r += SIZE) { matrix[r * columns + j] = scale * matrix[r * columns + j]; }
      storageBarrier();
      workgroupBarrier();
      for (var c = j + 1u + lane; c < columns; c += SIZE) {
        var overlap = 0.0;
        for (var r = 0u; r < rows; r++) { overlap += matrix[r * columns + j] * matrix[r * columns + c]; }
        for (var r = 0u; r < rows; r++) {
          matrix[r * columns + c] = matrix[r * columns + c] - overlap * matrix[r * columns + j];
        }
      }
      storageBarrier();
      workgroupBarrier();
    }
  }
}
