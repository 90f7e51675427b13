// squeeze-and-excitation backward, second layer: gateGradient[n, c] comes as ∂L/∂gate and, as δ2 = ∂L/∂gate · s (1 − s),
// meets weight2: hiddenGradient[n, h] = Σ_c δ2[n, c] · weight2[h, c] where hidden > 0. One element per invocation.
requires immediate_address_space;

struct Params { batch: u32, channels: u32, hiddenChannels: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> gateGradient: array<f32>;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> hidden: array<f32>;
@group(0) @binding(3) var<storage, read> weight2: array<f32>;
@group(0) @binding(4) var<storage, read_write> hiddenGradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  if (i >= params.batch * params.hiddenChannels) { return; }
  let n = i / params.hiddenChannels;
  let h = i - n * params.hiddenChannels;
  var sum = 0.0;
  for (var c = 0u; c < params.channels; c++) {
    let at = n * params.channels + c;
    let s = gate[at];
    sum += gateGradient[at] * s * (1.0 - s) * weight2[h * params.channels + c];
  }
  hiddenGradient[i] = select(0.0, sum, hidden[i] > 0.0);
}
