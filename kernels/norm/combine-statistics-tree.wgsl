// norm statistics, second pass for GPUs: what combine-statistics.wgsl computes, one workgroup per channel of a group.
// Invocation l takes chunks l, l + 64, …; both sums are then joined by halves, always in the same order.
requires immediate_address_space;

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32, eps: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> variance: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;

var<workgroup> joined: array<f32, 64>;

fn total(value: f32, lane: u32) -> f32 {
  joined[lane] = value;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half /= 2u) {
    if (lane < half) { joined[lane] += joined[lane + half]; }
    workgroupBarrier();
  }
  let sum = joined[0];
  workgroupBarrier();
  return sum;
}

fn sizeOf(chunk: u32) -> f32 {
  return f32(min(params.chunk, params.rows - chunk * params.chunk));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = wid.y * count.x + wid.x;
  if (index >= params.groups * params.channels) { return; } // the whole workgroup
  let group = index / params.channels;
  let base = group * params.chunks * params.channels + index % params.channels;
  let m2At = params.groups * params.chunks * params.channels;
  let first = partials[base];
  var sum = 0.0;
  for (var c = lane; c < params.chunks; c += 64u) {
    sum += sizeOf(c) * (partials[base + c * params.channels] - first);
  }
  let n = f32(params.rows);
  let m = first + total(sum, lane) / n;
  var m2 = 0.0;
  for (var c = lane; c < params.chunks; c += 64u) {
    let at = base + c * params.channels;
    let d = partials[at] - m;
    m2 += partials[m2At + at] + sizeOf(c) * d * d;
  }
  m2 = total(m2, lane);
  if (lane == 0u) {
    mean[index] = m;
    variance[index] = m2 / n;
    rstd[index] = 1.0 / sqrt(m2 / n + params.eps);
  }
}
