// pad2d: a frame of reflected pixels (the border itself not repeated) or of zeros around each picture.
// x [batch, h, w, channels], y [batch, oh, ow, channels]. One invocation: one Value of y; workgroups along its lines.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/quotient.wgsl"
const REFLECT = true;

struct Params { batch: u32, h: u32, w: u32, channels: u32, oh: u32, ow: u32, top: u32, left: u32 }
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
  let i = wid.x * 64u + lane;
  let line = wid.z * count.y + wid.y;
  if (i >= params.ow * channels || line >= params.batch * params.oh) { return; }
  let ox = quotient(i, channels);
  let b = quotient(line, params.oh);
  let oy = line - b * params.oh;
  let h = i32(params.h);
  let w = i32(params.w);
  var iy = i32(oy) - i32(params.top);
  var ix = i32(ox) - i32(params.left);
  if (REFLECT) {
    iy = reflect1(iy, h);
    ix = reflect1(ix, w);
  }
  let inside = iy >= 0 && iy < h && ix >= 0 && ix < w;
  let at = ((i32(b) * h + clamp(iy, 0, h - 1)) * w + clamp(ix, 0, w - 1)) * i32(channels) + i32(i - ox * channels);
  y[line * params.ow * channels + i] = select(Value(0.0), x[at], inside);
}
