// pad2d: a frame of reflected pixels (the border itself not repeated) or of zeros around each picture.
// x [batch, h, w, channels], y [batch, oh, ow, channels]. One invocation: one Value of y
// in each of `chunk` lines; workgroups along the lines.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/quotient.wgsl"
const REFLECT = true;

struct Params { batch: u32, h: u32, w: u32, channels: u32, oh: u32, ow: u32, top: u32, left: u32, chunk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> y: array<Value>;

fn reflect1(i: i32, n: i32) -> i32 {
  let j = abs(i);
  return select(j, 2 * (n - 1) - j, j >= n);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channels = params.channels / WIDTH;
  let across = params.ow * channels;
  let i = wid.x * 64u + lane;
  let begin = (wid.z * count.y + wid.y) * params.chunk;
  let end = min(begin + params.chunk, params.batch * params.oh);
  if (i >= across || begin >= end) { return; }
  let ox = quotient(i, channels);
  let h = i32(params.h);
  let w = i32(params.w);
  var ix = i32(ox) - i32(params.left);
  if (REFLECT) { ix = reflect1(ix, w); }
  let column = clamp(ix, 0, w - 1) * i32(channels) + i32(i - ox * channels);
  let beside = ix >= 0 && ix < w;
  var b = i32(quotient(begin, params.oh));
  var oy = i32(begin) - b * i32(params.oh);
  for (var line = begin; line < end; line++) {
    var iy = oy - i32(params.top);
    if (REFLECT) { iy = reflect1(iy, h); }
    let at = (b * h + clamp(iy, 0, h - 1)) * w * i32(channels) + column;
    y[line * across + i] = select(Value(0.0), x[at], beside && iy >= 0 && iy < h);
    oy++;
    if (oy == i32(params.oh)) {
      oy = 0;
      b++;
    }
  }
}
