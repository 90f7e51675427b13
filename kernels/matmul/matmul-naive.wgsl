// matmul: out[b] = op(left[b]) · op(right[b]), row-major, op = transpose or not. One invocation computes one element.
requires immediate_address_space;

const TRANSPOSE_LEFT = false;
const TRANSPOSE_RIGHT = false;

struct Params { batch: u32, m: u32, n: u32, k: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

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
  var sum = 0.0;
  for (var i = 0u; i < k; i++) {
    let l = select(row * k + i, i * m + row, TRANSPOSE_LEFT);
    let r = select(i * n + column, column * k + i, TRANSPOSE_RIGHT);
    sum += left[b * m * k + l] * right[b * k * n + r];
  }
  out[index] = sum;
}
