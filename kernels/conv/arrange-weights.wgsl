// Weights of a convolution in panels of PANEL columns, as the gather kernels read them without strides:
// out[group][panel][tap][k][c] with k over the group's source channels, c over PANEL of its destination channels, zeros in
// the padding. Source [tap][ci of group][co]; TRANSPOSED (for the input gradient): k runs over co, c over ci.
// One invocation writes four neighbouring c.
requires immediate_address_space;

const TRANSPOSED = false;
const PANEL = 32u;

struct Params { taps: u32, cin: u32, cout: u32, groups: u32, depth: u32, panels: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> arranged: array<vec4f>;

fn element(group: u32, tap: u32, k: u32, c: u32) -> f32 {
  let cin = params.cin / params.groups;
  let cout = params.cout / params.groups;
  let ci = select(k, c, TRANSPOSED);
  let co = select(c, k, TRANSPOSED);
  if (ci >= cin || co >= cout) { return 0.0; }
  return weight[(tap * cin + ci) * params.cout + group * cout + co];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let within = index % (PANEL / 4u);
  let line = index / (PANEL / 4u);
  let k = line % params.depth;
  let tap = (line / params.depth) % params.taps;
  let panel = (line / (params.depth * params.taps)) % params.panels;
  let group = line / (params.depth * params.taps * params.panels);
  if (group >= params.groups) { return; }
  let c = panel * PANEL + within * 4u;
  arranged[index] = vec4f(
    element(group, tap, k, c), element(group, tap, k, c + 1u), element(group, tap, k, c + 2u), element(group, tap, k, c + 3u),
  );
}
