// augment, first pass: the random transform of every picture, one picture per invocation.
requires immediate_address_space;

struct Params { batch: u32, source: u32, size: u32, flip: u32, rotation: f32, randomCrop: u32, call: u32, key0: u32, key1: u32 }
var<immediate> params: Params;

// #include "transform.wgsl"

@group(0) @binding(0) var<storage, read_write> transforms: array<Transform>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.batch) { return; }
  transforms[id.x] = transformOf(id.x);
}
