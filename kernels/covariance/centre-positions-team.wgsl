// centre-positions as in centre-positions.wgsl, for GPUs: a workgroup takes 16 columns of vec4 of one sample, 16 invocations
// to a column, whose sums are joined by halves.
requires immediate_address_space;

struct Params { batch: u32, positions: u32, channels: u32, scale: f32 }
var<immediate> params: Params; // channels in vec4

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

const COLUMNS = 16u;
const TEAM = 16u;
var<workgroup> partial: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let d = params.channels;
  let blocks = (d + COLUMNS - 1u) / COLUMNS;
  let index = wid.y * count.x + wid.x;
  let b = index / blocks;
  if (b >= params.batch) { return; } // the whole workgroup
  let column = index % blocks * COLUMNS + lane % COLUMNS;
  let exists = column < d;
  let member = lane / COLUMNS;
  let n = params.positions;
  let first = b * n * d + min(column, d - 1u);
  let reference = x[first];
  var sum = vec4f(0.0);
  for (var i = member; i < n; i += TEAM) { sum += x[first + i * d] - reference; }
  partial[lane] = sum;
  workgroupBarrier();
  for (var half = TEAM / 2u; half > 0u; half /= 2u) {
    if (member < half) { partial[lane] += partial[lane + half * COLUMNS]; }
    workgroupBarrier();
  }
  let mean = partial[lane % COLUMNS] / f32(n);
  if (!exists) { return; }
  for (var i = member; i < n; i += TEAM) { out[first + i * d] = params.scale * ((x[first + i * d] - reference) - mean); }
}
