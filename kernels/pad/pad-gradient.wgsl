// pad2d backward: dx[i] = Σ dy over the output positions that showed pixel i, gathered: per axis the pixel itself, its
// mirror image above or left of the picture and the one below or right, where they lie in the frame.
// One invocation: one Value of dx.
requires immediate_address_space;

// #include "../common/value.wgsl"
const REFLECT = true;

struct Params { batch: u32, h: u32, w: u32, channels: u32, oh: u32, ow: u32, top: u32, left: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gradient: array<Value>;
@group(0) @binding(1) var<storage, read_write> dx: array<Value>;

// Positions along one axis that show pixel i: itself and up to two mirror images; -1 where there is none.
fn shown(i: i32, n: i32, before: i32, padded: i32) -> vec3i {
  let itself = i + before;
  if (!REFLECT) { return vec3i(itself, -1, -1); }
  let near = before - i;
  let far = before + 2 * (n - 1) - i;
  return vec3i(itself, select(-1, near, i > 0 && near >= 0), select(-1, far, i < n - 1 && far < padded));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.channels / WIDTH;
  if (index >= params.batch * params.h * params.w * channels) { return; }
  let c = i32(index % channels);
  let ix = i32((index / channels) % params.w);
  let iy = i32((index / (channels * params.w)) % params.h);
  let b = i32(index / (channels * params.w * params.h));
  let oh = i32(params.oh);
  let ow = i32(params.ow);
  let ys = shown(iy, i32(params.h), i32(params.top), oh);
  let xs = shown(ix, i32(params.w), i32(params.left), ow);
  var sum = Value(0.0);
  for (var j = 0; j < 3; j++) {
    if (ys[j] < 0) { continue; }
    for (var i = 0; i < 3; i++) {
      if (xs[i] < 0) { continue; }
      sum += gradient[((b * oh + ys[j]) * ow + xs[i]) * i32(channels) + c];
    }
  }
  dx[index] = sum;
}
