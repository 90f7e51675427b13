// The random transform of each picture: draw `call`, four words a picture: flip, angle, left and top of the crop.
// Included by both variants of `augment`; `plan` is the rotation's cosine and sine (the sine negative when flipped is
// kept in its own place), and the corner of the crop.

// #include "../common/philox.wgsl"

struct Transform {
  cosine: f32,
  sine: f32,
  // 1, or −1 when mirrored.
  mirror: f32,
  padding: f32,
  // Left and top of the crop.
  corner: vec2f,
  unused: vec2f,
}

// Cosine and sine to 3e-7 for any |angle| ≤ π (WGSL's own may be off by 5e-4): Taylor on a quarter, doubled twice.
fn cosineSine(angle: f32) -> vec2f {
  let t = angle * 0.25;
  let s = t * t;
  var c = 1.0 + s * (-0.5 + s * (0.041666668 + s * (-0.0013888889 + s * 2.4801587e-5)));
  var n = t * (1.0 + s * (-0.16666667 + s * (0.008333334 + s * (-0.00019841270 + s * 2.7557319e-6))));
  for (var i = 0; i < 2; i++) {
    let doubled = 2.0 * n * c;
    c = 1.0 - 2.0 * n * n;
    n = doubled;
  }
  return vec2f(c, n);
}

fn transformOf(picture: u32) -> Transform {
  let u = toUnit(philox(vec4u(picture, params.call, 0u, 0u), vec2u(params.key0, params.key1)));
  let turn = cosineSine((2.0 * u.y - 1.0) * params.rotation);
  let room = f32(params.source - params.size);
  var corner = vec2f(floor(room * 0.5));
  if (params.randomCrop != 0u) { corner = min(floor(u.zw * (room + 1.0)), vec2f(room)); }
  let mirror = select(1.0, -1.0, params.flip != 0u && u.x < 0.5);
  return Transform(turn.x, turn.y, mirror, 0.0, corner, vec2f(0.0));
}
