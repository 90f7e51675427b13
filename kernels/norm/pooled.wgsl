// What the kernels of norm-pool.ts share: f((x − mean) · rstd · weight + bias) at one place, f with slope `slope` below zero,
// and the first largest of it in a window. Windows of KH × KW neither overlap nor leave gaps; rows and columns past the last
// whole one belong to none. x [pictures, height, width, channels], channels in Values.
const KH = 2u;
const KW = 2u;
const WEIGHT = false;
const BIAS = false;
const FIXED = false; // running statistics, which do not depend on x: rstd holds the variance instead

struct Params {
  height: u32, width: u32, channels: u32, outHeight: u32, outWidth: u32,
  rows: u32, chunk: u32, chunks: u32, eps: f32, slope: f32, positions: f32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> mean: array<Value>;
@group(0) @binding(2) var<storage, read> rstd: array<Value>;
@group(0) @binding(3) var<storage, read> weight: array<Value>;
@group(0) @binding(4) var<storage, read> bias: array<Value>;

struct Affine { mean: Value, rstd: Value, weight: Value, bias: Value }

fn affineOf(c: u32) -> Affine {
  var a = Affine(mean[c], rstd[c], Value(1.0), Value(0.0));
  if (FIXED) { a.rstd = Value(1.0) / sqrt(a.rstd + params.eps); }
  if (WEIGHT) { a.weight = weight[c]; }
  if (BIAS) { a.bias = bias[c]; }
  return a;
}

/** Before the activation, of x̂. */
fn shifted(n: Value, a: Affine) -> Value {
  var v = n;
  if (WEIGHT) { v *= a.weight; }
  if (BIAS) { v += a.bias; }
  return v;
}

fn activated(v: Value) -> Value {
  return select(params.slope * v, v, v > Value(0.0));
}

/** The first largest value of a window: x̂, the value before the activation and after it, and which tap it is. */
struct Best { n: Value, before: Value, value: Value, tap: Uint }

/** `at`: its upper left in x. */
fn firstLargest(at: u32, a: Affine) -> Best {
  var best: Best;
  for (var ky = 0u; ky < KH; ky++) {
    for (var kx = 0u; kx < KW; kx++) {
      let n = (x[at + (ky * params.width + kx) * params.channels] - a.mean) * a.rstd;
      let before = shifted(n, a);
      let value = activated(before);
      if (ky + kx == 0u) {
        best = Best(n, before, value, Uint(0u));
      } else {
        let better = value > best.value;
        best.n = select(best.n, n, better);
        best.before = select(best.before, before, better);
        best.value = select(best.value, value, better);
        best.tap = select(best.tap, Uint(ky * KW + kx), better);
      }
    }
  }
  return best;
}

/** Where window `column` of line `line` begins in x; lines count on over the pictures, `lines` in each. */
fn windowAt(line: u32, lines: u32, column: u32) -> u32 {
  let picture = line / lines;
  let y = (line - picture * lines) * KH;
  return ((picture * params.height + y) * params.width + column * KW) * params.channels;
}
