// Weights of a convolution in panels of PANEL columns, as the gather kernels read them without strides:
// out[group][panel][tap][k][c] with k over the group's source channels, c over PANEL of its destination channels, zeros in
// the padding. Source [tap][ci of group][co]; TRANSPOSED (for the input gradient): k runs over co, c over ci.
// One invocation writes four neighbouring k of four neighbouring c: either way it reads along co and writes along c
// (64 → 64 channels, 3×3, on llvmpipe, with a dispatch's own 45 µs: 165 → 105 µs; one weight at a time before).
requires immediate_address_space;

const TRANSPOSED = false;
const PANEL = 32u;
// Output channels come by fours: four weights are one element of the buffer.
const WHOLE = false;
alias Weights = f32;

struct Params { taps: u32, cin: u32, cout: u32, groups: u32, depth: u32, panels: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> weight: array<Weights>;
@group(0) @binding(1) var<storage, read_write> arranged: array<vec4f>;

fn one(at: u32, exists: bool) -> f32 { return select(0.0, vec4f(weight[at]).x, exists); }

// The weights of a tap from one input channel to four output channels.
fn four(group: u32, tap: u32, ci: u32, co: u32) -> vec4f {
  let cin = params.cin / params.groups;
  let cout = params.cout / params.groups;
  let at = (tap * cin + ci) * params.cout + group * cout + co;
  let left = select(0u, cout - co, ci < cin && co < cout);
  if (WHOLE) { return select(vec4f(0.0), vec4f(weight[at / 4u]), left > 0u); }
  return vec4f(one(at, left > 0u), one(at + 1u, left > 1u), one(at + 2u, left > 2u), one(at + 3u, left > 3u));
}

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = wid.x * 32u + lane;
  let within = index % (PANEL / 4u);
  let line = index / (PANEL / 4u);
  let quads = (params.depth + 3u) / 4u;
  let tap = line / quads;
  if (tap >= params.taps) { return; }
  let k = 4u * (line - tap * quads);
  let c = wid.y % params.panels * PANEL + within * 4u;
  let group = wid.y / params.panels;
  var lines: mat4x4f;
  if (TRANSPOSED) {
    lines = transpose(mat4x4f(
      four(group, tap, c, k), four(group, tap, c + 1u, k), four(group, tap, c + 2u, k), four(group, tap, c + 3u, k),
    ));
  } else {
    lines = mat4x4f(
      four(group, tap, k, c), four(group, tap, k + 1u, c), four(group, tap, k + 2u, c), four(group, tap, k + 3u, c),
    );
  }
  let at = ((wid.y * params.taps + tap) * params.depth + k) * (PANEL / 4u) + within;
  arranged[at] = lines[0];
  if (k + 1u < params.depth) { arranged[at + PANEL / 4u] = lines[1]; }
  if (k + 2u < params.depth) { arranged[at + PANEL / 2u] = lines[2]; }
  if (k + 3u < params.depth) { arranged[at + 3u * (PANEL / 4u)] = lines[3]; }
}
