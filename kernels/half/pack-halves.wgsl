// packHalves: the words in which the lane kernels read an operand in halves, scaled first. A word holds two neighbouring depths
// k of one side index s (a row of the left operand, a column of the right). LEFT: out[matrix][panel][k / 4][lane], panels of 8
// rows, lane l holds row 8·panel + l, two words for four k. Otherwise out[matrix][panel][k / 2][lane], panels of 32 columns,
// lane l holds columns 4l … 4l + 3, four words for two k. The source's lines run along k (ALONG_DEPTH) or along s; the
// pitch is in vec4, padded with zeros; lines past the last one are zeros.
// One invocation packs four side indices × four k.
requires immediate_address_space;

const LEFT = true;
const ALONG_DEPTH = true;
const PANEL_QUADS = 2u; // side indices of a panel, by fours: 2 on the left, 8 on the right

struct Params { matrices: u32, matrix: u32, lines: u32, pitch: u32, quads: u32, fours: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> scales: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> halves: array<vec4u>;

fn lineAt(start: u32, line: u32) -> vec4f {
  let exists = line < params.lines;
  return select(vec4f(0.0), source[start + select(0u, line, exists) * params.pitch], exists);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) thread: u32) {
  let index = (wid.y * count.x + wid.x) * 64u + thread;
  // Neighbouring invocations read neighbouring vec4.
  let inner = select(params.quads, params.fours, ALONG_DEPTH);
  let outer = select(params.fours, params.quads, ALONG_DEPTH);
  let at = index % inner;
  let line = index / inner % outer;
  let matrix = index / (inner * outer);
  if (matrix >= params.matrices) { return; }
  let quad = select(at, line, ALONG_DEPTH);
  let four = select(line, at, ALONG_DEPTH);
  let start = matrix * params.matrix + min(at, params.pitch - 1u);
  let scale = select(scales[0].y, scales[0].x, LEFT);
  var block = mat4x4f(
    scale * lineAt(start, 4u * line), scale * lineAt(start, 4u * line + 1u),
    scale * lineAt(start, 4u * line + 2u), scale * lineAt(start, 4u * line + 3u),
  );
  if (!ALONG_DEPTH) { block = transpose(block); }
  let low = vec4u(
    pack2x16float(block[0].xy), pack2x16float(block[1].xy), pack2x16float(block[2].xy), pack2x16float(block[3].xy),
  );
  let high = vec4u(
    pack2x16float(block[0].zw), pack2x16float(block[1].zw), pack2x16float(block[2].zw), pack2x16float(block[3].zw),
  );
  let panel = (matrix * params.quads + quad) / PANEL_QUADS;
  let step = (panel * params.fours + four) * 2u * PANEL_QUADS;
  let within = quad % PANEL_QUADS;
  if (LEFT) {
    halves[step + 2u * within] = vec4u(low.x, high.x, low.y, high.y);
    halves[step + 2u * within + 1u] = vec4u(low.z, high.z, low.w, high.w);
  } else {
    halves[step + within] = low;
    halves[step + within + PANEL_QUADS] = high;
  }
}
