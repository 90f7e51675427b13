// symmetrise: out[b] = scale · (matrix[b] + matrix[b]ᵀ) + diagonalScale · diagonal[b] · I. One element each.
requires immediate_address_space;

struct Params { batch: u32, n: u32, scale: f32, diagonalScale: f32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> matrix: array<f32>;
@group(0) @binding(1) var<storage, read> diagonal: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

fn elements() -> u32 { return params.batch * params.n * params.n; }

fn element(index: u32) {
  let n = params.n;
  let j = index % n;
  let row = index / n;
  let i = row % n;
  let b = row / n;
  var sum = params.scale * (matrix[index] + matrix[(b * n + j) * n + i]);
  if (i == j && params.diagonalScale != 0.0) { sum += params.diagonalScale * diagonal[b]; }
  out[index] = sum;
}

// #include "../common/elements.wgsl"
