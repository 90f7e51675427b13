// matmul: out[b] = f(op(left[b]) · op(right[b]) + bias), row-major, op = transpose or not, f = activation.
// Batches are two axes, b = (b / inner, b % inner); an operand that is shared along one has stride 0 there (in matrices).
// One invocation computes one element.
requires immediate_address_space;

// #include "../common/activation.wgsl"
const TRANSPOSE_LEFT = false;
const TRANSPOSE_RIGHT = false;

struct Params {
  batch: u32, m: u32, n: u32, k: u32,
  inner: u32, leftOuter: u32, leftInner: u32, rightOuter: u32, rightInner: u32,
  slope: f32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let m = params.m;
  let n = params.n;
  let k = params.k;
  if (index >= params.batch * m * n) { return; }
  let column = index % n;
  let row = (index / n) % m;
  let b = index / (m * n);
  let outer = b / params.inner;
  let inner = b % params.inner;
  let leftAt = (outer * params.leftOuter + inner * params.leftInner) * m * k;
  let rightAt = (outer * params.rightOuter + inner * params.rightInner) * k * n;
  var sum = bias[column];
  for (var i = 0u; i < k; i++) {
    let l = select(row * k + i, i * m + row, TRANSPOSE_LEFT);
    let r = select(i * n + column, column * k + i, TRANSPOSE_RIGHT);
    sum += left[leftAt + l] * right[rightAt + r];
  }
  out[index] = activate(sum, params.slope);
}
