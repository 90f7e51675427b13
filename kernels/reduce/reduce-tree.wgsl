// reduce by workgroups, for GPUs: what reduce.wgsl computes, one workgroup per chunk of a column. Invocation l walks
// elements l, l + 256, … of the chunk; then halves of the workgroup are joined, always in the same order. With inner 1
// neighbours in the workgroup read neighbours in memory. `inner` and the columns are in Values.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/extremes.wgsl"
// #include "steps.wgsl"

struct Params { columns: u32, length: u32, inner: u32, chunks: u32, chunkLength: u32, scale: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> y: array<Value>;
@group(0) @binding(2) var<storage, read_write> out: array<Value>;

var<workgroup> joined: array<Value, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = wid.y * count.x + wid.x;
  if (index >= params.columns) { return; } // the whole workgroup
  let row = index / params.inner;
  let i = index - row * params.inner;
  let o = row / params.chunks;
  let start = (row - o * params.chunks) * params.chunkLength;
  let steps = min(params.chunkLength, params.length - start);
  let base = (o * params.length + start) * params.inner + i;
  // An extreme may meet the first element again and again; a sum starts from nothing.
  var value = Value(0.0);
  if (OP != 0u) { value = mapped(base); }
  for (var l = lane; l < steps; l += 256u) { value = join(value, mapped(base + l * params.inner)); }
  joined[lane] = value;
  workgroupBarrier();
  for (var half = 128u; half > 0u; half /= 2u) {
    if (lane < half) { joined[lane] = join(joined[lane], joined[lane + half]); }
    workgroupBarrier();
  }
  if (lane == 0u) { out[index] = joined[0] * params.scale; }
}
