// ssim, naive: sums[pair, y] = Σ over x of the similarity of the 11×11 windows at (x, y) of picture a and of picture
// `pair` of b, both one byte a pixel, four to a word. One invocation takes one row, each window from its definition.
requires immediate_address_space;
// #include "window.wgsl"

struct Params { pairs: u32, width: u32, height: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

fn byteOf(word: u32, i: u32) -> u32 {
  return (word >> (8u * (i & 3u))) & 255u;
}

fn window(x: u32, y: u32, start: u32) -> f32 {
  var sumA = 0u;
  var sumB = 0u;
  var sumAA = 0u;
  var sumBB = 0u;
  var sumAB = 0u;
  for (var v = y; v < y + 11u; v++) {
    for (var u = x; u < x + 11u; u++) {
      let i = v * params.width + u;
      let p = byteOf(a[i / 4u], i);
      let q = byteOf(b[(start + i) / 4u], start + i);
      sumA += p;
      sumB += q;
      sumAA += p * p;
      sumBB += q * q;
      sumAB += p * q;
    }
  }
  return similarity(vec4u(sumA), vec4u(sumB), vec4u(sumAA), vec4u(sumBB), vec4u(sumAB)).x;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let rows = params.height - 10u;
  if (index >= params.pairs * rows) { return; }
  let start = (index / rows) * params.width * params.height;
  var total = 0.0;
  for (var x = 0u; x < params.width - 10u; x++) { total += window(x, index % rows, start); }
  sums[index] = total;
}
