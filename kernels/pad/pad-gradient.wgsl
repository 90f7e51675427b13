// pad2d backward: dx[i] = Σ dy over the output positions that showed pixel i, gathered: per axis the pixel itself, its
// mirror image above or left of the picture and the one below or right, where they lie in the frame.
// One invocation: one Value of dx; workgroups along its lines.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/quotient.wgsl"
const REFLECT = true;

struct Params { batch: u32, h: u32, w: u32, channels: u32, oh: u32, ow: u32, top: u32, left: u32 }
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
  let i = wid.x * 64u + lane;
  let line = wid.z * count.y + wid.y;
  if (i >= params.w * channels || line >= params.batch * params.h) { return; }
  let ix = quotient(i, channels);
  let b = quotient(line, params.h);
  let c = i32(i - ix * channels);
  let oh = i32(params.oh);
  let ow = i32(params.ow);
  let ys = shown(i32(line - b * params.h), i32(params.h), i32(params.top), oh);
  let xs = shown(i32(ix), i32(params.w), i32(params.left), ow);
  var sum = Value(0.0);
  // Inside, where most pixels are, both loops end after one round.
  for (var j = 0u; j < ys.count; j++) {
    for (var k = 0u; k < xs.count; k++) {
      sum += gradient[((i32(b) * oh + ys.at[j]) * ow + xs.at[k]) * i32(channels) + c];
    }
  }
  dx[line * params.w * channels + i] = sum;
}
