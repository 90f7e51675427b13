// sumMiddle, first pass of two: partials[o][c][i] = Σ source[o][s][i] over the chunk's own s, ascending, four i at once.
// Needs inner to be a multiple of 4. One invocation: one vec4 of one chunk.
requires immediate_address_space;

struct Params { outer: u32, middle: u32, inner: u32, chunk: u32, chunks: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  let inner = params.inner / 4u;
  if (index >= params.outer * params.chunks * inner) { return; }
  let c = (index / inner) % params.chunks;
  let o = index / (inner * params.chunks);
  let start = c * params.chunk;
  let to = min(start + params.chunk, params.middle);
  var at = (o * params.middle + start) * inner + index % inner;
  var sum = vec4f(0.0);
  for (var s = start; s < to; s++) {
    sum += source[at];
    at += inner;
  }
  partials[index] = sum;
}
