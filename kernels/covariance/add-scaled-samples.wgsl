// add-scaled-samples: out[b, :] = scale · (base[b, :] + factor · amount[b] · x[b, :]). One Value
// (an element or a vec4) each; `size` counts Values.
requires immediate_address_space;
// #include "../common/value.wgsl"

struct Params { batch: u32, size: u32, scale: f32, factor: f32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> base: array<Value>;
@group(0) @binding(1) var<storage, read> amount: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<Value>;
@group(0) @binding(3) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return params.batch * params.size; }

fn element(i: u32) {
  out[i] = params.scale * (base[i] + (params.factor * amount[i / params.size]) * x[i]);
}

// #include "../common/elements.wgsl"
