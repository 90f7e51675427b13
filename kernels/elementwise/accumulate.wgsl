// accumulate: target[i] += scale * source[i]; with OVERWRITE, target[i] = scale * source[i]. One vec4 per invocation.
requires immediate_address_space;

const OVERWRITE = false;

struct Params { size: u32, scale: f32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

fn elements() -> u32 { return (params.size + 3u) / 4u; }

fn element(i: u32) {
  if (OVERWRITE) {
    out[i] = params.scale * source[i];
  } else {
    out[i] = out[i] + params.scale * source[i];
  }
}

// #include "../common/elements.wgsl"
