// squeeze-and-excitation, the ends: out[n, p, c] = x[n, p, c] · gate[n, c] (+ addend[n, c] with ADDEND: backward adds the
// gradient that came through the squeeze). One invocation computes one Value.
requires immediate_address_space;

// #include "../common/value.wgsl"

const ADDEND = false;

struct Params { values: u32, positions: u32, channels: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> gate: array<Value>;
@group(0) @binding(2) var<storage, read> addend: array<Value>;
@group(0) @binding(3) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.values) { return; }
  let row = i / params.channels;
  let at = row / params.positions * params.channels + i - row * params.channels;
  var y = x[i] * gate[at];
  if (ADDEND) { y += addend[at]; }
  out[i] = y;
}
