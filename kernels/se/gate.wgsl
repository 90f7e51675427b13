// squeeze-and-excitation, second layer: gate[n, c] = sigmoid(Σ_h hidden[n, h] · weight2[h, c] + bias2[c]).
// One invocation computes one element.
requires immediate_address_space;

// #include "../common/value.wgsl"
// #include "../common/accurate-math.wgsl"

const BIAS = false;

struct Params { batch: u32, channels: u32, hiddenChannels: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> hidden: array<f32>;
@group(0) @binding(1) var<storage, read> weight2: array<f32>;
@group(0) @binding(2) var<storage, read> bias2: array<f32>;
@group(0) @binding(3) var<storage, read_write> gate: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.batch * params.channels) { return; }
  let n = i / params.channels;
  let c = i - n * params.channels;
  var sum = 0.0;
  for (var h = 0u; h < params.hiddenChannels; h++) {
    sum += hidden[n * params.hiddenChannels + h] * weight2[h * params.channels + c];
  }
  if (BIAS) { sum += bias2[c]; }
  gate[i] = accurateSigmoid(sum);
}
