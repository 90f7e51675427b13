// history pool (Shrivastava et al. 2017): per picture b of the batch, decisions[b] = (slot to fetch, slot to store), −1
// for neither. out[b] = fetch ≥ 0 ? pool[fetch] : x[b]; then pool[store] = x[b]. Pictures are taken in order, so that a
// later one may fetch what an earlier one stored. One invocation: one value of every picture of the batch.
requires immediate_address_space;

struct Params { batch: u32, size: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> decisions: array<vec2i>;
@group(0) @binding(2) var<storage, read_write> pool: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.size) { return; }
  for (var b = 0u; b < params.batch; b++) {
    let fresh = x[b * params.size + i];
    let what = decisions[b];
    var shown = fresh;
    if (what.x >= 0) { shown = pool[u32(what.x) * params.size + i]; }
    if (what.y >= 0) { pool[u32(what.y) * params.size + i] = fresh; }
    out[b * params.size + i] = shown;
  }
}
