// The gather of maxPool2d's backward; tapOf(o) is the tap of output Value o.
@group(0) @binding(0) var<storage, read> gradient: array<Value>;
@group(0) @binding(1) var<storage, read> taps: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<Value>;
@group(0) @binding(3) var<storage, read> result: array<Value>;

const SLOPE = 1.0; // of the activation after the pooling, below zero; its gradient goes by its result's sign, a ReLU's by the taps

fn elements() -> u32 { return params.inputs; }

fn element(index: u32) {
  let p = placeOf(index, params.height, params.width);
  let lastY = (p.y + PH) / SH;
  let lastX = (p.x + PW) / SW;
  var sum = Value(0.0);
  for (var j = 0u; j < (KH + SH - 1u) / SH; j++) {
    for (var i = 0u; i < (KW + SW - 1u) / SW; i++) {
      // Unsigned: a window before the first wraps round to one past the last.
      let oy = lastY - j;
      let ox = lastX - i;
      let ky = p.y + PH - oy * SH;
      let kx = p.x + PW - ox * SW;
      if (oy < params.outHeight && ox < params.outWidth && ky < KH && kx < KW) {
        let o = ((p.n * params.outHeight + oy) * params.outWidth + ox) * params.channels + p.c;
        var g = gradient[o];
        if (SLOPE != 1.0 && SLOPE != 0.0) { g = select(SLOPE * g, g, result[o] > Value(0.0)); }
        sum += select(Value(0.0), g, tapOf(o) == Uint(ky * KW + kx));
      }
    }
  }
  out[index] = sum;
}

// #include "../common/elements.wgsl"
