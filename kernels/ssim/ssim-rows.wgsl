// ssim, by rows: sums[pair, y] = Σ over x of the similarity of the 11×11 windows at (x, y) of picture a and of picture
// `pair` of b. One invocation walks along one row of windows, a word (four columns of bytes) at a time: it adds up the
// eleven bytes of each column once, keeps the column sums of four neighbouring words, and adds them to four windows.
// Width is a multiple of 4.
requires immediate_address_space;
// #include "window.wgsl"

struct Params { pairs: u32, width: u32, height: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

struct Columns { a: vec4u, b: vec4u, aa: vec4u, bb: vec4u, ab: vec4u }

fn columnSums(at: u32, start: u32, words: u32) -> Columns {
  var c = Columns();
  for (var v = 0u; v < 11u; v++) {
    let p = (vec4u(a[at + v * words]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
    let q = (vec4u(b[start + at + v * words]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
    c.a += p;
    c.b += q;
    c.aa += p * p;
    c.bb += q * q;
    c.ab += p * q;
  }
  return c;
}

// The four windows that end in the columns of `c`; o, p, q are the words before it, oldest first.
fn windows(o: vec4u, p: vec4u, q: vec4u, c: vec4u) -> vec4u {
  let middle = p.y + p.z + p.w + q.x + q.y + q.z + q.w;
  let two = c.x + c.y;
  return vec4u(middle + o.z + o.w + p.x + c.x, middle + o.w + p.x + two, middle + p.x + two + c.z, middle + two + c.z + c.w);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let rows = params.height - 10u;
  if (index >= params.pairs * rows) { return; }
  let words = params.width / 4u;
  let at = (index % rows) * words;
  let start = (index / rows) * words * params.height;
  var o = Columns();
  var p = Columns();
  var q = Columns();
  var total = 0.0;
  for (var w = 0u; w < words; w++) {
    let c = columnSums(at + w, start, words);
    let values = similarity(
      windows(o.a, p.a, q.a, c.a),
      windows(o.b, p.b, q.b, c.b),
      windows(o.aa, p.aa, q.aa, c.aa),
      windows(o.bb, p.bb, q.bb, c.bb),
      windows(o.ab, p.ab, q.ab, c.ab),
    );
    // The first eight columns end no window, the next two neither.
    if (w > 2u) {
      total += values.x + values.y + values.z + values.w;
    } else if (w == 2u) {
      total += values.z + values.w;
    }
    o = p;
    p = q;
    q = c;
  }
  sums[index] = total;
}
