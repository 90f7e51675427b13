// squeeze-and-excitation, first layer: hidden[n, h] = relu(Σ_c squeezed[n, c] · weight1[c, h] + bias1[h]).
// One invocation computes one element.
requires immediate_address_space;

const BIAS = false;

struct Params { batch: u32, channels: u32, hiddenChannels: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> squeezed: array<f32>;
@group(0) @binding(1) var<storage, read> weight1: array<f32>;
@group(0) @binding(2) var<storage, read> bias1: array<f32>;
@group(0) @binding(3) var<storage, read_write> hidden: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.batch * params.hiddenChannels) { return; }
  let n = i / params.hiddenChannels;
  let h = i - n * params.hiddenChannels;
  var sum = 0.0;
  for (var c = 0u; c < params.channels; c++) {
    sum += squeezed[n * params.channels + c] * weight1[c * params.hiddenChannels + h];
  }
  if (BIAS) { sum += bias1[h]; }
  hidden[i] = select(sum, 0.0, sum < 0.0); // NaN stays NaN
}
