// squeeze-and-excitation, the ends: out[n, p, c] = x[n, p, c] · gate[n, c] (+ addend[n, c] with ADDEND: backward adds the
// gradient that came through the squeeze). One invocation computes one Value at each of `chunk` positions.
requires immediate_address_space;

// #include "../common/value.wgsl"

const ADDEND = false;

struct Params { batch: u32, positions: u32, channels: u32, chunk: u32, chunks: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> gate: array<Value>;
@group(0) @binding(2) var<storage, read> addend: array<Value>;
@group(0) @binding(3) var<storage, read_write> out: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + lane;
  if (index >= params.batch * params.chunks * params.channels) { return; }
  let block = index / params.channels;
  let c = index - block * params.channels;
  let n = block / params.chunks;
  let start = (block - n * params.chunks) * params.chunk;
  let steps = min(params.chunk, params.positions - start);
  let s = gate[n * params.channels + c];
  var b = Value(0.0);
  if (ADDEND) { b = addend[n * params.channels + c]; }
  var at = (n * params.positions + start) * params.channels + c;
  for (var p = 0u; p < steps; p++) {
    var y = x[at] * s;
    if (ADDEND) { y += b; }
    out[at] = y;
    at += params.channels;
  }
}
