// Strided copy where x runs along one dimension and out along another: blocks of 4 × 4, read and written in vec4 and
// turned in registers. A workgroup takes 8 × 8 blocks, so that whole lines of either array are in use at once; neighbouring
// invocations write neighbours (reading them instead takes twice as long on llvmpipe, where rows are 8 KB). Strides and
// offsets in vec4; x's dimension is a, out's is b.
requires immediate_address_space;

struct Params {
  blocksA: u32, blocksB: u32, inner: u32,
  xOffset: u32, xB: u32, xOuter: u32, xInner: u32,
  outOffset: u32, outA: u32, outOuter: u32, outInner: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4u>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let a = wid.y * 8u + lane / 8u;
  let b = wid.x * 8u + lane % 8u;
  if (a >= params.blocksA || b >= params.blocksB) { return; }
  let outer = wid.z / params.inner;
  let inner = wid.z - outer * params.inner;
  let source = params.xOffset + outer * params.xOuter + inner * params.xInner + 4u * b * params.xB + a;
  let r0 = x[source];
  let r1 = x[source + params.xB];
  let r2 = x[source + 2u * params.xB];
  let r3 = x[source + 3u * params.xB];
  let destination = params.outOffset + outer * params.outOuter + inner * params.outInner + 4u * a * params.outA + b;
  out[destination] = vec4u(r0.x, r1.x, r2.x, r3.x);
  out[destination + params.outA] = vec4u(r0.y, r1.y, r2.y, r3.y);
  out[destination + 2u * params.outA] = vec4u(r0.z, r1.z, r2.z, r3.z);
  out[destination + 3u * params.outA] = vec4u(r0.w, r1.w, r2.w, r3.w);
}
