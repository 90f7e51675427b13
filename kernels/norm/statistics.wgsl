// norm statistics, first pass: mean and M2 = Σ (x − mean)² of each chunk of rows, per group and channel.
// x [groups, rows, channels]; partials [2][groups][chunks][channels]: the means, then the M2s.
// One invocation: one Value (neighbouring channels) of one chunk, read twice: differences from the chunk's own mean keep
// variances right where Σx² − (Σx)²/n would cancel.
requires immediate_address_space;

// #include "../common/value.wgsl"

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> partials: array<Value>;

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
  var sum = Value(0.0);
  let first = x[base + start * channels];
  for (var row = start; row < to; row++) { sum += x[base + row * channels] - first; }
  let mean = first + sum / f32(to - start);
  var m2 = Value(0.0);
  for (var row = start; row < to; row++) {
    let d = x[base + row * channels] - mean;
    m2 += d * d;
  }
  partials[index] = mean;
  partials[total + index] = m2;
}
