// Philox4x32-10 (Salmon et al., SC 2011), bit for bit as engine/random.ts computes it on the host: four random words for
// each counter and key. Element i of the generator's draw `call` is word i % 4 of philox((i / 4, call, 0, 0), seed).

fn mulHigh(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let middle = ah * bl + ((al * bl) >> 16u);
  let carry = al * bh + (middle & 0xffffu);
  return ah * bh + (middle >> 16u) + (carry >> 16u);
}

fn philox(counter: vec4u, seed: vec2u) -> vec4u {
  var c = counter;
  var k = seed;
  for (var round = 0u; round < 10u; round++) {
    let high0 = mulHigh(0xd2511f53u, c.x);
    let low0 = 0xd2511f53u * c.x;
    let high1 = mulHigh(0xcd9e8d57u, c.z);
    let low1 = 0xcd9e8d57u * c.z;
    c = vec4u(high1 ^ c.y ^ k.x, low1, high0 ^ c.w ^ k.y, low0);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// Words to floats in (0, 1): 24 bits and a half, so that neither end occurs.
fn toUnit(words: vec4u) -> vec4f {
  return (vec4f(words >> vec4u(8u)) + 0.5) / 16777216.0;
}
