// conv2d: y[n, oy, ox, co] = f(Σ_{ky, kx, ci} x[n, oy·s − p + ky·d, ox·s − p + kx·d, ci] · weight[ky, kx, ci, co] + bias[co])
// with zeros outside x; ci runs over the channels of co's group. One invocation computes one element.
requires immediate_address_space;

// #include "../common/activation.wgsl"
// #include "convolved.wgsl"

@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.batch * params.oh * params.ow * params.cout) { return; }
  let co = index % params.cout;
  let ox = (index / params.cout) % params.ow;
  let oy = (index / (params.cout * params.ow)) % params.oh;
  let n = index / (params.cout * params.ow * params.oh);
  y[index] = activate(convolved(n, oy, ox, co), params.slope);
}
