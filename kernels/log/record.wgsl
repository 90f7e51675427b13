// record: row `slot` of log [slots, width] = the first elements of v0 … v5. One invocation writes the row.
requires immediate_address_space;

struct Params { slot: u32, width: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> v0: array<f32>;
@group(0) @binding(1) var<storage, read> v1: array<f32>;
@group(0) @binding(2) var<storage, read> v2: array<f32>;
@group(0) @binding(3) var<storage, read> v3: array<f32>;
@group(0) @binding(4) var<storage, read> v4: array<f32>;
@group(0) @binding(5) var<storage, read> v5: array<f32>;
@group(0) @binding(6) var<storage, read_write> log: array<f32>;

@compute @workgroup_size(1)
fn main() {
  let row = params.slot * params.width;
  log[row] = v0[0];
  if (params.width > 1u) { log[row + 1u] = v1[0]; }
  if (params.width > 2u) { log[row + 2u] = v2[0]; }
  if (params.width > 3u) { log[row + 3u] = v3[0]; }
  if (params.width > 4u) { log[row + 4u] = v4[0]; }
  if (params.width > 5u) { log[row + 5u] = v5[0]; }
}
