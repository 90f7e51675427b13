// toHalves: the operand in halves, scaled first, in the order in which it stands. One invocation: two vec4f into one vec4u.
requires immediate_address_space;

const LEFT = true;

struct Params { fours: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> scales: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> halves: array<vec4u>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (2u * index >= params.fours) { return; }
  let scale = select(scales[0].y, scales[0].x, LEFT);
  let a = scale * source[2u * index];
  let b = scale * source[min(2u * index + 1u, params.fours - 1u)];
  halves[index] = vec4u(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
}
