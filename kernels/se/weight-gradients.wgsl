// squeeze-and-excitation backward, all four parameters in one dispatch, each element a sum over the batch in order:
// weight1Gradient[c, h] = Σ_n squeezed[n, c] · hiddenGradient[n, h], weight2Gradient[h, c] = Σ_n hidden[n, h] ·
// preGradient[n, c], bias1Gradient[h] = Σ_n hiddenGradient[n, h], bias2Gradient[c] = Σ_n preGradient[n, c].
requires immediate_address_space;

struct Params { batch: u32, channels: u32, hiddenChannels: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> squeezed: array<f32>;
@group(0) @binding(1) var<storage, read> hidden: array<f32>;
@group(0) @binding(2) var<storage, read> hiddenGradient: array<f32>;
@group(0) @binding(3) var<storage, read> preGradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> weight1Gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> weight2Gradient: array<f32>;
@group(0) @binding(6) var<storage, read_write> bias1Gradient: array<f32>;
@group(0) @binding(7) var<storage, read_write> bias2Gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * count.x + wid.x) * 64u + lane;
  let c = i / params.hiddenChannels;
  let h = i - c * params.hiddenChannels;
  if (c >= params.channels) { return; }
  var first = 0.0;
  var second = 0.0;
  var bias1 = 0.0;
  var bias2 = 0.0;
  for (var n = 0u; n < params.batch; n++) {
    let dh = hiddenGradient[n * params.hiddenChannels + h];
    let dp = preGradient[n * params.channels + c];
    first += squeezed[n * params.channels + c] * dh;
    second += hidden[n * params.hiddenChannels + h] * dp;
    bias1 += dh;
    bias2 += dp;
  }
  weight1Gradient[i] = first;
  weight2Gradient[h * params.channels + c] = second;
  if (c == 0u) { bias1Gradient[h] = bias1; }
  if (h == 0u) { bias2Gradient[c] = bias2; }
}
