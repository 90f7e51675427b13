// Calls element(i) for every i below elements(), both of which the text defines: the kernel's entry (elements.ts). An invocation
// takes `walk` elements, LANES apart, so that a workgroup goes over neighbours.
const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let begin = (wid.y * count.x + wid.x) * (LANES * params.walk);
  let end = min(begin + LANES * params.walk, elements());
  for (var i = begin + lane; i < end; i += LANES) { element(i); }
}
