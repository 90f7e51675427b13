// out[i] = Σ_s partials[s][i], s ascending: the second pass of every product that was split. `size` is a multiple of 4.
// One invocation: one vec4.
requires immediate_address_space;

struct Params { parts: u32, size: u32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

fn elements() -> u32 { return params.size / 4u; }

fn element(index: u32) {
  let size = elements();
  var at = index;
  var sum = vec4f(0.0);
  for (var s = 0u; s < params.parts; s++) {
    sum += partials[at];
    at += size;
  }
  out[index] = sum;
}

// #include "../common/elements.wgsl"
