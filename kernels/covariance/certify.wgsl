// certify: out[b] = 1 where no eigenvalue of WᵀAW can leave [floor, ceiling], whatever the orthonormal W: those of
// A = C + ε tr(C) I lie in [ε tr(C), (1 + ε) tr(C)]. A margin of 1e-3 covers rounding and a W that is orthonormal to
// f32. One invocation per sample. NaN is not certified.
requires immediate_address_space;

struct Params { batch: u32, eps: f32, floor: f32, ceiling: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> trace: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let b = (wid.y * count.x + wid.x) * 64u + lane;
  if (b >= params.batch) { return; }
  let inside = params.eps * trace[b] * 0.999 >= params.floor && (1.0 + params.eps) * trace[b] * 1.001 <= params.ceiling;
  out[b] = select(0u, 1u, inside);
}
