// What the kernels of norm-pool.ts share: the first largest f(v) of a window. Windows of KH × KW neither overlap nor leave gaps; rows and columns past the last
// whole one belong to none. x [pictures, height, width, channels], channels in Values.
// #include "../common/extremes.wgsl"

const KH = 2u;
const KW = 2u;

struct Params {
  height: u32, width: u32, channels: u32, outHeight: u32, outWidth: u32,
  rows: u32, chunk: u32, chunks: u32, eps: f32, slope: f32, positions: f32,
}
var<immediate> params: Params;

/** The first largest value of a window: x̂, the value before the activation and after it, and which tap it is. */
struct Best { n: Value, before: Value, value: Value, tap: Uint }

/** `at`: its upper left in x. */
fn firstLargest(at: u32, a: Affine) -> Best {
  var best: Best;
  for (var ky = 0u; ky < KH; ky++) {
    for (var kx = 0u; kx < KW; kx++) {
      let n = normalised(x[at + (ky * params.width + kx) * params.channels], a);
      let before = shifted(n, a);
      let value = activated(before);
      if (ky + kx == 0u) {
        best = Best(n, before, value, Uint(0u));
      } else {
        let better = (value > best.value) | (magnitudeBits(value) > INFINITE);
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
