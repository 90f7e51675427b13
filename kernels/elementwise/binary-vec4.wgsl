// binary on equal shapes: out[i] = a[i] ∘ b[i], one vec4 per invocation; the tail lies in the buffers' padding.
requires immediate_address_space;

const OP = 0u; // as in binary.wgsl

struct Params { size: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i * 4u >= params.size) { return; }
  let x = a[i];
  let y = b[i];
  var z: vec4f;
  switch OP {
    case 0u: { z = x + y; }
    case 1u: { z = x - y; }
    case 2u: { z = x * y; }
    case 3u: { z = x / y; }
    case 4u: { z = max(x, y); }
    case 5u: { z = min(x, y); }
    case 6u: { z = select(select(vec4f(0.0), vec4f(0.5), x == y), vec4f(1.0), x > y); }
    default: { z = select(vec4f(0.0), vec4f(1.0), x == y); }
  }
  out[i] = z;
}
