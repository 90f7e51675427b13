// fill: out[i] = value. One invocation writes one vec4; the tail past `size` lies in the buffer's padding.
requires immediate_address_space;

struct Params { size: u32, value: f32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> out: array<vec4f>;

fn elements() -> u32 { return (params.size + 3u) / 4u; }

fn element(i: u32) {
  out[i] = vec4f(params.value);
}

// #include "../common/elements.wgsl"
