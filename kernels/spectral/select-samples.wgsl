// select-samples: out[b, :] = choose[b] ≠ 0 ? yes[b, :] : no[b, :]; an absent side counts as zeros. One Value
// (an element or a vec4) each; `size` counts Values.
requires immediate_address_space;
// #include "../common/value.wgsl"

const HAS_YES = true;
const HAS_NO = true;

struct Params { batch: u32, size: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> choose: array<u32>;
@group(0) @binding(1) var<storage, read> yes: array<Value>;
@group(0) @binding(2) var<storage, read> no: array<Value>;
@group(0) @binding(3) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.batch * params.size) { return; }
  var x = Value(0.0);
  if (choose[i / params.size] != 0u) {
    if (HAS_YES) { x = yes[i]; }
  } else {
    if (HAS_NO) { x = no[i]; }
  }
  out[i] = x;
}
