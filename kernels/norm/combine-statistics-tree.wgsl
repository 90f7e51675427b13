// norm statistics, second pass for GPUs: what combine-statistics.wgsl computes, one workgroup for four channels of a group.
// Invocation l takes chunks l, l + 256, …; both sums are then joined by halves, always in the same order. `channels`
// counts vec4.
requires immediate_address_space;

struct Params { groups: u32, rows: u32, channels: u32, chunk: u32, chunks: u32, eps: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> mean: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> variance: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> rstd: array<vec4f>;

var<workgroup> joined: array<vec4f, 256>;

fn total(value: vec4f, lane: u32) -> vec4f {
  joined[lane] = value;
  workgroupBarrier();
  for (var half = 128u; half > 0u; half /= 2u) {
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

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = wid.y * count.x + wid.x;
  if (index >= params.groups * params.channels) { return; } // the whole workgroup
  let group = index / params.channels;
  let base = group * params.chunks * params.channels + index % params.channels;
  let m2At = params.groups * params.chunks * params.channels;
  let first = partials[base];
  var sum = vec4f(0.0);
  for (var c = lane; c < params.chunks; c += 256u) {
    sum += sizeOf(c) * (partials[base + c * params.channels] - first);
  }
  let n = f32(params.rows);
  let m = first + total(sum, lane) / n;
  var m2 = vec4f(0.0);
  for (var c = lane; c < params.chunks; c += 256u) {
    let at = base + c * params.channels;
    let d = partials[at] - m;
    m2 += partials[m2At + at] + sizeOf(c) * d * d;
  }
  m2 = total(m2, lane);
  if (lane == 0u) {
    mean[index] = m;
    variance[index] = m2 / n;
    rstd[index] = vec4f(1.0) / sqrt(m2 / n + params.eps);
  }
}
