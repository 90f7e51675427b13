// norm statistics, first pass: mean and M2 = Σ (x − mean)² of each chunk of rows, per group and channel.
// x [groups, rows, channels]; partials [2][groups][chunks][channels]: the means, then the M2s.
// One invocation: one Value (neighbouring channels) of one chunk.
requires immediate_address_space;

// #include "../common/value.wgsl"

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> partials: array<Value>;

// #include "chunk-statistics.wgsl"

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.channels / WIDTH;
  let total = params.groups * params.chunks * channels;
  if (index >= total) { return; }
  let chunk = (index / channels) % params.chunks;
  let group = index / (channels * params.chunks);
  let start = chunk * params.chunk;
  let to = min(start + params.chunk, params.rows);
  let base = group * params.rows * channels + index % channels;
  let found = momentsOf(base, start, to, channels);
  partials[index] = found.mean;
  partials[total + index] = found.m2;
}
