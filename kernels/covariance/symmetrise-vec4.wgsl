// symmetrise as in symmetrise.wgsl, four columns j … j + 3 of one row each; n divisible by 4.
requires immediate_address_space;

struct Params { batch: u32, n: u32, scale: f32, diagonalScale: f32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> matrix: array<vec4f>;
@group(0) @binding(1) var<storage, read> diagonal: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

fn elements() -> u32 { return params.batch * params.n * (params.n / 4u); }

fn element(index: u32) {
  let n = params.n;
  let width = n / 4u;
  let row = index / width;
  let j = index % width;
  let i = row % n;
  let b = row / n;
  let below = (b * n + 4u * j) * width + i / 4u; // entry (4 j, i), then the rows after it
  let e = i % 4u;
  let opposite = vec4f(matrix[below][e], matrix[below + width][e], matrix[below + 2u * width][e], matrix[below + 3u * width][e]);
  var sum = params.scale * (matrix[index] + opposite);
  if (params.diagonalScale != 0.0) {
    let on = vec4u(4u * j, 4u * j + 1u, 4u * j + 2u, 4u * j + 3u) == vec4u(i);
    sum += select(vec4f(0.0), vec4f(params.diagonalScale * diagonal[b]), on);
  }
  out[index] = sum;
}

// #include "../common/elements.wgsl"
