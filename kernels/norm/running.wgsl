// Running statistics: r += momentum · (batch − r), the variance unbiased by rows / (rows − 1) as in PyTorch.
// One invocation: one channel.
requires immediate_address_space;

struct Params { channels: u32, momentum: f32, unbias: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> mean: array<f32>;
@group(0) @binding(1) var<storage, read> variance: array<f32>;
@group(0) @binding(2) var<storage, read_write> runningMean: array<f32>;
@group(0) @binding(3) var<storage, read_write> runningVar: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.channels) { return; }
  runningMean[id.x] += params.momentum * (mean[id.x] - runningMean[id.x]);
  runningVar[id.x] += params.momentum * (params.unbias * variance[id.x] - runningVar[id.x]);
}
