// add-diagonal: out[b, i, i] += scale · amount[b], in place. One invocation per diagonal entry.
requires immediate_address_space;

struct Params { batch: u32, n: u32, scale: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> amount: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (wid.y * count.x + wid.x) * 64u + lane;
  if (row >= params.batch * params.n) { return; }
  let at = row * params.n + row % params.n;
  out[at] = out[at] + params.scale * amount[row / params.n];
}
