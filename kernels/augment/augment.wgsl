// augment: out[b, y, x, c] = (images[b] / 255 at the turned, mirrored and cropped position − mean[c]) · scale[c], bilinear,
// mirrored beyond the border. images: 8-bit RGB [batch, source, source, 3], four bytes a word; out: f32 [batch, size, size, 3].
// One invocation computes one pixel. PLANNED: the transforms come from the first pass; else each pixel draws its own.
requires immediate_address_space;

const PLANNED = false;

struct Params {
  batch: u32, source: u32, size: u32, flip: u32, rotation: f32, randomCrop: u32, call: u32, key0: u32, key1: u32,
  mean0: f32, mean1: f32, mean2: f32, scale0: f32, scale1: f32, scale2: f32,
}
var<immediate> params: Params;

// #include "transform.wgsl"

@group(0) @binding(0) var<storage, read> images: array<u32>;
@group(0) @binding(1) var<storage, read> transforms: array<Transform>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

fn byteAt(i: u32) -> f32 {
  return f32((images[i >> 2u] >> ((i & 3u) * 8u)) & 255u);
}

fn mirrored(i: i32) -> u32 {
  let last = i32(params.source) - 1;
  let inside = select(i, -i, i < 0);
  return u32(clamp(select(inside, 2 * last - inside, inside > last), 0, last));
}

fn pixel(picture: u32, x: i32, y: i32) -> vec3f {
  let i = ((picture * params.source + mirrored(y)) * params.source + mirrored(x)) * 3u;
  return vec3f(byteAt(i), byteAt(i + 1u), byteAt(i + 2u));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  let area = params.size * params.size;
  if (i >= params.batch * area) { return; }
  let picture = i / area;
  let y = (i % area) / params.size;
  let x = i % params.size;
  var t: Transform;
  if (PLANNED) { t = transforms[picture]; } else { t = transformOf(picture); }
  // From the centre of the crop outwards, so that a picture is turned about what is seen of it.
  let half = f32(params.size - 1u) * 0.5;
  let u = (f32(x) - half) * t.mirror;
  let v = f32(y) - half;
  let position = t.corner + half + vec2f(t.cosine * u - t.sine * v, t.sine * u + t.cosine * v);
  let base = floor(position);
  let f = position - base;
  let px = i32(base.x);
  let py = i32(base.y);
  let above = mix(pixel(picture, px, py), pixel(picture, px + 1, py), f.x);
  let below = mix(pixel(picture, px, py + 1), pixel(picture, px + 1, py + 1), f.x);
  let value = (mix(above, below, f.y) / 255.0 - vec3f(params.mean0, params.mean1, params.mean2)) *
    vec3f(params.scale0, params.scale1, params.scale2);
  out[3u * i] = value.x;
  out[3u * i + 1u] = value.y;
  out[3u * i + 2u] = value.z;
}
