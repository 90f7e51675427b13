// average pooling backward, gathered: out[n, y, x, c] = Σ of gradient / window size over the windows that cover it.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "geometry.wgsl"
// #include "average-windows.wgsl"

@group(0) @binding(0) var<storage, read> gradient: array<Value>;
@group(0) @binding(1) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return params.inputs; }

fn element(index: u32) {
  let p = placeOf(index, params.height, params.width);
  let rows = coverY(p.y);
  let columns = coverX(p.x);
  var sum = Value(0.0);
  for (var oy = rows.x; oy < rows.y; oy++) {
    for (var ox = columns.x; ox < columns.y; ox++) {
      let h = windowY(oy);
      let w = windowX(ox);
      let size = f32((h.y - h.x) * (w.y - w.x));
      sum += gradient[((p.n * params.outHeight + oy) * params.outWidth + ox) * params.channels + p.c] / size;
    }
  }
  out[index] = sum;
}

// #include "../common/elements.wgsl"
