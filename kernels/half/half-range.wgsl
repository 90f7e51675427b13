// halfRange: partial[w] = the largest finite |x|, as float bits, of what workgroup w reads; 256 workgroups of 64. The bits of
// non-negative floats are ordered as the floats are, so the maximum is one of integers: any order gives the same result.
requires immediate_address_space;

struct Params { count: u32, firstPartial: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> partial: array<u32>;

const INFINITY = 0x7f800000u;

// Infinities and NaN do not count: they stay what they are in halves.
fn magnitude(x: vec4u) -> vec4u {
  let bits = x & vec4u(0x7fffffffu);
  return select(vec4u(0u), bits, bits < vec4u(INFINITY));
}

var<workgroup> largest: atomic<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let vectors = params.count / 4u;
  var own = vec4u(0u);
  for (var i = wid.x * 64u + lane; i < vectors; i += count.x * 64u) {
    own = max(own, magnitude(x[i]));
  }
  if (wid.x == 0u && lane < params.count % 4u) { // the last, partial vec4: past its end stands whatever the padding holds
    own = max(own, vec4u(magnitude(x[vectors])[lane]));
  }
  atomicMax(&largest, max(max(own.x, own.y), max(own.z, own.w)));
  workgroupBarrier();
  if (lane == 0u) { partial[params.firstPartial + wid.x] = atomicLoad(&largest); }
}
