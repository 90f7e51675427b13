// #include "geometry.wgsl"

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

struct Best { value: Value, tap: Uint }

/** The first maximum of the window of output `index`. */
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
        let better = (best.tap == none) | (v > best.value);
        best.value = select(best.value, v, better);
        best.tap = select(best.tap, Uint(ky * KW + kx), better);
      }
    }
  }
  return best;
}
