// norm statistics, second pass: joins the chunks, ascending: M2 = Σ M2ᶜ + nᶜ (meanᶜ − mean)²
// (Chan, Golub & LeVeque 1979).
// partials [2][groups][chunks][channels] → mean, variance (biased) and rstd = 1 / sqrt(variance + eps) [groups, channels].
// One invocation: one channel of one group.
requires immediate_address_space;

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32, eps: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> variance: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.groups * params.channels) { return; }
  let group = index / params.channels;
  let base = group * params.chunks * params.channels + index % params.channels;
  let m2At = params.groups * params.chunks * params.channels;
  let first = partials[base];
  var sum = 0.0;
  for (var c = 0u; c < params.chunks; c++) {
    let size = f32(min(params.chunk, params.rows - c * params.chunk));
    sum += size * (partials[base + c * params.channels] - first);
  }
  let n = f32(params.rows);
  let m = first + sum / n;
  var m2 = 0.0;
  for (var c = 0u; c < params.chunks; c++) {
    let size = f32(min(params.chunk, params.rows - c * params.chunk));
    let at = base + c * params.channels;
    let d = partials[at] - m;
    m2 += partials[m2At + at] + size * d * d;
  }
  mean[index] = m;
  variance[index] = m2 / n;
  rstd[index] = 1.0 / sqrt(m2 / n + params.eps);
}
