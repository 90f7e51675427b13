// S₁ = Σ g and S₂ = Σ g · x̂ of a column in the lanes that walk down it: each takes every so-manieth row in walks of 256, joined in
// order; then the lanes are joined, always in the same order. Include over-lanes.wgsl and affine.wgsl before.
struct Sums { s1: Value, s2: Value }

/** The same in all lanes of a column, which begins at `base`. */
fn columnSums(base: u32, channels: u32, lane: u32, a: Affine) -> Sums {
  var s1 = Value(0.0);
  var s2 = Value(0.0);
  for (var begin = lane / ACROSS; begin < params.rows; begin += 256u * DOWN) {
    let end = min(begin + 256u * DOWN, params.rows);
    var walk1 = Value(0.0);
    var walk2 = Value(0.0);
    for (var row = begin; row < end; row += DOWN) {
      let at = base + row * channels;
      let n = normalised(x[at], a);
      let g = throughActivation(gradient[at], shifted(n, a));
      walk1 += g;
      walk2 += g * n;
    }
    s1 += walk1;
    s2 += walk2;
  }
  return Sums(overLanes(s1), overLanes(s2));
}
