// skip-matmul: out[b] = op(left[b]) · op(right[b]) of n × n matrices where skip[b] is 0; elsewhere out[b] = instead[b], or
// zeros without one. For batches of which nearly all is skipped: a workgroup owns ROWS rows of one matrix and ends at
// once; what is left to compute is computed plainly, an element at a time.
requires immediate_address_space;

const TRANSPOSE_LEFT = false;
const TRANSPOSE_RIGHT = false;
const HAS_INSTEAD = false;
const ROWS = 16u;

struct Params { n: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(2) var<storage, read> skip: array<u32>;
@group(0) @binding(3) var<storage, read> instead: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = params.n;
  let base = wid.y * n * n;
  let first = wid.x * ROWS * n;
  let end = min(first + ROWS * n, n * n);
  if (skip[wid.y] != 0u) {
    for (var i = first + lane; i < end; i += 64u) {
      var value = 0.0;
      if (HAS_INSTEAD) { value = instead[base + i]; }
      out[base + i] = value;
    }
    return;
  }
  for (var i = first + lane; i < end; i += 64u) {
    let row = i / n;
    let column = i % n;
    var sum = 0.0;
    for (var k = 0u; k < n; k++) {
      let l = select(row * n + k, k * n + row, TRANSPOSE_LEFT);
      let r = select(k * n + column, column * n + k, TRANSPOSE_RIGHT);
      sum += left[base + l] * right[base + r];
    }
    out[base + i] = sum;
  }
}
