// norm backward, second pass: adds the chunks in ascending order. sums [2][groups][channels].
// One invocation: one Value.
requires immediate_address_space;

// #include "../common/value.wgsl"

struct Params { groups: u32, channels: u32, chunks: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> partials: array<Value>;
@group(0) @binding(1) var<storage, read_write> sums: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.channels / WIDTH;
  if (index >= 2u * params.groups * channels) { return; }
  let base = index / channels * params.chunks * channels + index % channels;
  var sum = Value(0.0);
  for (var c = 0u; c < params.chunks; c++) { sum += partials[base + c * channels]; }
  sums[index] = sum;
}
