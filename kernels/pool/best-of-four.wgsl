// The largest of the four values of a 2 × 2 window, first come first, NaN the largest; taps: where, a byte per channel, 255 where
// what comes behind is a ReLU (slope 0) that cuts it off.
struct Best { value: vec4f, taps: u32 }

fn bestOfFour(v0: vec4f, v1: vec4f, v2: vec4f, v3: vec4f, slope: f32) -> Best {
  var best = v0;
  var tap = vec4u(0u);
  let better1 = beats(v1, best);
  best = select(best, v1, better1);
  tap = select(tap, vec4u(1u), better1);
  let better2 = beats(v2, best);
  best = select(best, v2, better2);
  tap = select(tap, vec4u(2u), better2);
  let better3 = beats(v3, best);
  best = select(best, v3, better3);
  tap = select(tap, vec4u(3u), better3);
  tap = select(tap, vec4u(255u), vec4<bool>(slope == 0.0) & !(best > vec4f(0.0)));
  let bytes = tap << vec4u(0u, 8u, 16u, 24u);
  return Best(best, bytes.x | bytes.y | bytes.z | bytes.w);
}

fn beats(v: vec4f, best: vec4f) -> vec4<bool> {
  return (v > best) | ((bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u));
}
