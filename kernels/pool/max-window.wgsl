// #include "geometry.wgsl"
// #include "../common/extremes.wgsl"

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

const SLOPE = 1.0; // of the activation below zero: 0 ReLU, 1 none

/** f(max), which is max(f): f keeps the order of values. NaN stays: compilers fold 0 · NaN to 0. */
fn activated(v: Value) -> Value { return select(SLOPE * v, v, (v > Value(0.0)) | (magnitudeBits(v) > INFINITE)); }

/** The place that the gradient goes to: behind a ReLU that cut the value off, none. */
fn tapOf(best: Best) -> Uint {
  if (SLOPE != 0.0) { return best.tap; }
  return select(Uint(255u), best.tap, best.value > Value(0.0));
}

struct Best { value: Value, tap: Uint }

/** The first maximum of the window of output `index`; NaN is larger than all. */
fn window(index: u32) -> Best {
  let o = placeOf(index, params.outHeight, params.outWidth);
  let none = Uint(255u);
  var best = Best(Value(0.0), none);
  for (var ky = 0u; ky < KH; ky++) {
    for (var kx = 0u; kx < KW; kx++) {
      // Unsigned: a position before the edge wraps round to one past the other edge.
      let iy = o.y * SH + ky - PH;
      let ix = o.x * SW + kx - PW;
      if (iy < params.height && ix < params.width) {
        let v = x[((o.n * params.height + iy) * params.width + ix) * params.channels + o.c];
        let better = (best.tap == none) | (v > best.value) | (magnitudeBits(v) > INFINITE);
        best.value = select(best.value, v, better);
        best.tap = select(best.tap, Uint(ky * KW + kx), better);
      }
    }
  }
  return best;
}
