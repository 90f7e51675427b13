import { generated } from '../kernel.ts';
import { partsOf } from '../matmul/tiled.ts';
import { weightGradientText, weightGradientVariant, windowText } from './weight-gradient.ts';

/** Invocations of a workgroup, each with four rows. */
const SIZE = 64;

const text =
  (): string => `// conv2dWeightGradient: out[part][tap, ci][co] = Σ_p x[pixel of p and tap, ci] · y[p, co] over the part's own windows p, for few co.
// An invocation takes four rows (tap, ci) × four channels co: neighbours read neighbouring channels of x and the same y.
requires immediate_address_space;
${weightGradientText}${windowText}
@compute @workgroup_size(${SIZE})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let part = wid.z % params.parts;
  let group = wid.z / params.parts;
  let row4 = wid.x * ${SIZE}u + lane;
  if (4u * row4 >= rowCount()) { return; }
  let rows = rowsAt(row4, group);
  let first = part * params.part;
  let end = min(first + params.part, params.batch * params.oh * params.ow);
  var at = windowAt(first);
  var c0 = vec4f(0.0);
  var c1 = vec4f(0.0);
  var c2 = vec4f(0.0);
  var c3 = vec4f(0.0);
  var yAt = first * params.dstC + group * params.columns + wid.y;
  for (var p = first; p < end; p++) {
    let a = pixelOf(at, rows);
    let b = y[yAt];
    c0 += a.x * b;
    c1 += a.y * b;
    c2 += a.z * b;
    c3 += a.w * b;
    at = onwards(at, 1);
    yAt += params.dstC;
  }
  let outAt = (part * rowCount() + 4u * row4) * params.dstC + group * params.columns + wid.y;
  out[outAt] = c0;
  out[outAt + params.dstC] = c1;
  out[outAt + 2u * params.dstC] = c2;
  out[outAt + 3u * params.dstC] = c3;
}
`;

export const directConv2dWeightGradient = weightGradientVariant({
  name: 'direct',
  family: 'tiled',
  adds: 'few output channels, four rows × four of them per invocation: for GPUs, whose tiles are 64 channels wide',
  supports: () => true,
  suits: (products, traits, columns) => traits.family === 'tiled' && products >= 262_144 && columns <= 8,
  shape: () => ({ rows: 4 * SIZE, columns: 4 }),
  source: () => generated(import.meta.url, 'conv/direct-weight-gradient', text),
  parts: ({ batch, oh, ow }, tiles) => partsOf(tiles, batch * oh * ow, SIZE),
});
