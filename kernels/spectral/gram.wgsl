// gram = matrixᵀ · matrix, the part on and above the diagonal; matrix [rows, columns], columns divisible by 4.
// One invocation: a block of 4 × 4.
requires immediate_address_space;

struct Params { rows: u32, columns: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> matrix: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> gram: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let width = params.columns / 4u;
  let index = wid.x * 64u + lane;
  let i = index / width;
  let j = index % width;
  if (i > j || i >= width) { return; }
  var c0 = vec4f(0.0);
  var c1 = vec4f(0.0);
  var c2 = vec4f(0.0);
  var c3 = vec4f(0.0);
  for (var r = 0u; r < params.rows; r++) {
    let a = matrix[r * width + i];
    let b = matrix[r * width + j];
    c0 += a.x * b;
    c1 += a.y * b;
    c2 += a.z * b;
    c3 += a.w * b;
  }
  let at = 4u * i * width + j;
  gram[at] = c0;
  gram[at + width] = c1;
  gram[at + 2u * width] = c2;
  gram[at + 3u * width] = c3;
}
