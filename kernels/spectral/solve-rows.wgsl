// matrix ← matrix · R⁻¹ in place, R upper triangular [columns, columns], columns divisible by 4; nothing where `dependent`.
// One invocation: a row, by forward substitution.
requires immediate_address_space;

struct Params { rows: u32, columns: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> matrix: array<vec4f>;
@group(0) @binding(1) var<storage, read> gram: array<vec4f>;
@group(0) @binding(2) var<storage, read> dependent: array<u32>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x * 32u + lane;
  if (row >= params.rows || dependent[0] == 1u) { return; }
  let width = params.columns / 4u;
  let first = row * width;
  for (var j = 0u; j < width; j++) {
    var rest = matrix[first + j];
    for (var k = 0u; k < j; k++) {
      let done = matrix[first + k];
      let at = 4u * k * width + j;
      rest -= done.x * gram[at] + done.y * gram[at + width] + done.z * gram[at + 2u * width] + done.w * gram[at + 3u * width];
    }
    let at = 4u * j * width + j;
    let r0 = gram[at];
    let r1 = gram[at + width];
    let r2 = gram[at + 2u * width];
    let x = rest.x / r0.x;
    let y = (rest.y - x * r0.y) / r1.y;
    let z = (rest.z - x * r0.z - y * r1.z) / r2.z;
    let last = (rest.w - x * r0.w - y * r1.w - z * r2.w) / gram[at + 3u * width].w;
    matrix[first + j] = vec4f(x, y, z, last);
  }
}
