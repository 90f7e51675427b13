// squeeze-and-excitation backward, first layer and the mean: squeezedGradient[n, c] =
// Σ_h hiddenGradient[n, h] · weight1[c, h] / positions; preGradient[n, c] = ∂L/∂gate · s (1 − s).
// One invocation computes one element of both.
requires immediate_address_space;

struct Params { batch: u32, positions: u32, channels: u32, hiddenChannels: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gateGradient: array<f32>;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> hiddenGradient: array<f32>;
@group(0) @binding(3) var<storage, read> weight1: array<f32>;
@group(0) @binding(4) var<storage, read_write> preGradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> squeezedGradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.batch * params.channels) { return; }
  let n = i / params.channels;
  let c = i - n * params.channels;
  var sum = 0.0;
  for (var h = 0u; h < params.hiddenChannels; h++) {
    sum += hiddenGradient[n * params.hiddenChannels + h] * weight1[c * params.hiddenChannels + h];
  }
  squeezedGradient[i] = sum / f32(params.positions);
  let s = gate[i];
  preGradient[i] = gateGradient[i] * s * (1.0 - s);
}
