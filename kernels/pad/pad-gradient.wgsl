// pad2d backward: dx[i] = Σ dy over the output positions that showed pixel i, gathered: per axis the pixel itself, its
// mirror image above or left of the picture and the one below or right, where they lie in the frame.
// One invocation: one Value of dx in each of `chunk` lines; workgroups along the lines.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/quotient.wgsl"
const REFLECT = true;

struct Params { batch: u32, h: u32, w: u32, channels: u32, oh: u32, ow: u32, top: u32, left: u32, chunk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<Value>;
@group(0) @binding(1) var<storage, read_write> dx: array<Value>;

// Positions along one axis that show a pixel: itself and up to two mirror images.
struct Shown { count: u32, at: vec3i }

fn shown(i: i32, n: i32, before: i32, padded: i32) -> Shown {
  let itself = i + before;
  if (!REFLECT) { return Shown(1u, vec3i(itself)); }
  let near = before - i;
  let far = before + 2 * (n - 1) - i;
  let isNear = i > 0 && near >= 0;
  let isFar = i < n - 1 && far < padded;
  return Shown(1u + u32(isNear) + u32(isFar), vec3i(itself, select(far, near, isNear), far));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channels = params.channels / WIDTH;
  let across = params.w * channels;
  let i = wid.x * 64u + lane;
  let begin = (wid.z * count.y + wid.y) * params.chunk;
  let end = min(begin + params.chunk, params.batch * params.h);
  if (i >= across || begin >= end) { return; }
  let ix = quotient(i, channels);
  let c = i32(i - ix * channels);
  let oh = i32(params.oh);
  let ow = i32(params.ow);
  let xs = shown(i32(ix), i32(params.w), i32(params.left), ow);
  var b = i32(quotient(begin, params.h));
  var iy = i32(begin) - b * i32(params.h);
  for (var line = begin; line < end; line++) {
    let ys = shown(iy, i32(params.h), i32(params.top), oh);
    var sum = Value(0.0);
    // Inside, where most pixels are, both loops end after one round.
    for (var j = 0u; j < ys.count; j++) {
      for (var k = 0u; k < xs.count; k++) {
        sum += gradient[((b * oh + ys.at[j]) * ow + xs.at[k]) * i32(channels) + c];
      }
    }
    dx[line * across + i] = sum;
    iy++;
    if (iy == i32(params.h)) {
      iy = 0;
      b++;
    }
  }
}
