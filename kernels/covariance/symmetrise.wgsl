// symmetrise: out[b] = scale · (matrix[b] + matrix[b]ᵀ) + diagonalScale · diagonal[b] · I. One element each.
requires immediate_address_space;

struct Params { batch: u32, n: u32, scale: f32, diagonalScale: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> matrix: array<f32>;
@group(0) @binding(1) var<storage, read> diagonal: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = params.n;
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.batch * n * n) { return; }
  let j = index % n;
  let row = index / n;
  let i = row % n;
  let b = row / n;
  var sum = params.scale * (matrix[index] + matrix[(b * n + j) * n + i]);
  if (i == j && params.diagonalScale != 0.0) { sum += params.diagonalScale * diagonal[b]; }
  out[index] = sum;
}
