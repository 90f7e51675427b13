// norm statistics, first pass for GPUs: what statistics.wgsl computes, x read once (Welford 1962): memory is what it waits
// for, and the division of a step costs nothing beside it.
requires immediate_address_space;

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let channels = params.channels / 4u;
  let total = params.groups * params.chunks * channels;
  if (index >= total) { return; }
  let chunk = (index / channels) % params.chunks;
  let group = index / (channels * params.chunks);
  let start = chunk * params.chunk;
  let steps = min(params.chunk, params.rows - start);
  var at = (group * params.rows + start) * channels + index % channels;
  var mean = vec4f(0.0);
  var m2 = vec4f(0.0);
  for (var i = 1u; i <= steps; i++) {
    let v = x[at];
    let d = v - mean;
    mean += d / f32(i);
    m2 += d * (v - mean);
    at += channels;
  }
  partials[index] = mean;
  partials[total + index] = m2;
}
