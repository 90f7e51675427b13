// norm statistics, first pass: mean and M2 = Σ (x − mean)² of each chunk of rows, per group and channel.
// x [groups, rows, channels]; partials [2][groups][chunks][channels]: the means, then the M2s.
// One invocation: one Value (neighbouring channels) of one chunk, read once: mean and M2 of four rows at a time, from their own
// mean, join those of the rows before (Chan, Golub & LeVeque 1979), which keeps variances right where Σx² − (Σx)²/n would
// cancel.
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
  let first = x[base + start * channels];
  var mean = Value(0.0); // less `first`
  var m2 = Value(0.0);
  var row = start;
  for (; row + 4u <= to; row += 4u) {
    let at = base + row * channels;
    let d0 = x[at] - first;
    let d1 = x[at + channels] - first;
    let d2 = x[at + 2u * channels] - first;
    let d3 = x[at + 3u * channels] - first;
    let own = (d0 + d1 + d2 + d3) * 0.25;
    let e0 = d0 - own;
    let e1 = d1 - own;
    let e2 = d2 - own;
    let e3 = d3 - own;
    let before = f32(row - start);
    let delta = own - mean;
    mean += delta * (4.0 / (before + 4.0));
    m2 += e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3 + delta * delta * (before * 4.0 / (before + 4.0));
  }
  for (; row < to; row++) {
    let d = x[base + row * channels] - first;
    let before = f32(row - start);
    let delta = d - mean;
    mean += delta / (before + 1.0);
    m2 += delta * delta * (before / (before + 1.0));
  }
  partials[index] = first + mean;
  partials[total + index] = m2;
}
