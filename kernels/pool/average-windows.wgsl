// Where the windows of an average pooling begin and end, and which windows cover a position.
const ADAPTIVE = false;

fn span(o: u32, size: u32, outSize: u32, kernel: u32, stride: u32) -> vec2u {
  if (ADAPTIVE) { return vec2u(o * size / outSize, ((o + 1u) * size + outSize - 1u) / outSize); }
  return vec2u(o * stride, o * stride + kernel);
}

/** First and one past the last window that covers position i. */
fn cover(i: u32, size: u32, outSize: u32, kernel: u32, stride: u32) -> vec2u {
  if (ADAPTIVE) { return vec2u(i * outSize / size, ((i + 1u) * outSize + size - 1u) / size); }
  var first = 0u;
  if (i >= kernel) { first = (i - kernel) / stride + 1u; }
  return vec2u(first, min(i / stride + 1u, outSize));
}

fn windowY(oy: u32) -> vec2u { return span(oy, params.height, params.outHeight, KH, SH); }
fn windowX(ox: u32) -> vec2u { return span(ox, params.width, params.outWidth, KW, SW); }
fn coverY(iy: u32) -> vec2u { return cover(iy, params.height, params.outHeight, KH, SH); }
fn coverX(ix: u32) -> vec2u { return cover(ix, params.width, params.outWidth, KW, SW); }
