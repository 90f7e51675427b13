// average pooling: out[n, y, x, c] = mean of x over the window. Windows have a size and a stride, or with ADAPTIVE split
// the picture as evenly as whole pixels allow (overlapping where they do not divide). One Value per invocation.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "geometry.wgsl"
// #include "average-windows.wgsl"

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return params.outputs; }

fn element(index: u32) {
  let o = placeOf(index, params.outHeight, params.outWidth);
  let rows = windowY(o.y);
  let columns = windowX(o.x);
  var sum = Value(0.0);
  for (var iy = rows.x; iy < rows.y; iy++) {
    for (var ix = columns.x; ix < columns.y; ix++) {
      sum += x[((o.n * params.height + iy) * params.width + ix) * params.channels + o.c];
    }
  }
  out[index] = sum / f32((rows.y - rows.x) * (columns.y - columns.x));
}

// #include "../common/elements.wgsl"
