// select-samples: out[b, :] = choose[b] ≠ 0 ? yes[b, :] : no[b, :]; an absent side counts as zeros. One Value
// (an element or a vec4) each; `size` counts Values.
requires immediate_address_space;
// #include "../common/value.wgsl"

const HAS_YES = true;
const HAS_NO = true;

struct Params { batch: u32, size: u32, walk: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> choose: array<u32>;
@group(0) @binding(1) var<storage, read> yes: array<Value>;
@group(0) @binding(2) var<storage, read> no: array<Value>;
@group(0) @binding(3) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return params.batch * params.size; }

fn element(i: u32) {
  var x = Value(0.0);
  if (choose[i / params.size] != 0u) {
    if (HAS_YES) { x = yes[i]; }
  } else {
    if (HAS_NO) { x = no[i]; }
  }
  out[i] = x;
}

// #include "../common/elements.wgsl"
