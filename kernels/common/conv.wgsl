// Geometry of a convolution. Pictures are NHWC; weights are [kh][kw][cin / groups][cout]. x [batch, h, w, cin] is the
// side that the window slides over, y [batch, oh, ow, cout] the side with one value per window. Pairs (vertical,
// horizontal) share a word: vertical in the low half.
struct Params {
  batch: u32,
  h: u32, w: u32, cin: u32,
  oh: u32, ow: u32, cout: u32,
  groups: u32,
  window: u32, stride: u32, padding: u32, dilation: u32,
  slope: f32,
}
var<immediate> params: Params;

fn pair(packed: u32) -> vec2u { return vec2u(packed & 0xffffu, packed >> 16u); }
