import { lanesAcross } from '../common/lanes.ts';
import { VEC4 } from '../common/value.ts';
import { type Constants, foldWorkgroups, generated, type Pass } from '../kernel.ts';

/** `row`: Values lie along the length, and what they hold is joined too. */
const text = (
  row: boolean,
): string => `// reduce in the 8 lanes of a CPU subgroup, in one pass: what reduce.wgsl computes. One workgroup: ACROSS neighbouring columns,
// 8 / ACROSS lanes for each, which take every so-manieth of its elements in walks of 256, joined in order; then the lanes are
// joined, always in the same order.
requires immediate_address_space;
enable subgroups;

// #include "../common/value.wgsl"
// #include "../common/extremes.wgsl"
// #include "steps.wgsl"

const ACROSS = 1u;
const DOWN = 8u / ACROSS;

struct Params { groups: u32, columnGroups: u32, length: u32, inner: u32, scale: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> y: array<Value>;
@group(0) @binding(2) var<storage, read_write> out: array<${row ? 'f32' : 'Value'}>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * count.x + wid.x;
  if (group >= params.groups) { return; } // outer · columnGroups
  let o = group / params.columnGroups;
  let column = (group - o * params.columnGroups) * ACROSS + lane % ACROSS;
  let base = o * params.length * params.inner + min(column, params.inner - 1u);
  // An extreme may meet the first element again and again; a sum starts from nothing.
  var start = Value(0.0);
  if (OP != 0u) { start = mapped(base); }
  var value = start;
  for (var begin = lane / ACROSS; begin < params.length; begin += 256u * DOWN) {
    let end = min(begin + 256u * DOWN, params.length);
    var walk = start;
    for (var l = begin; l < end; l += DOWN) { walk = join(walk, mapped(base + l * params.inner)); }
    value = join(value, walk);
  }
  if (ACROSS < 2u) { value = join(value, subgroupShuffleXor(value, 1u)); }
  if (ACROSS < 4u) { value = join(value, subgroupShuffleXor(value, 2u)); }
  if (ACROSS < 8u) { value = join(value, subgroupShuffleXor(value, 4u)); }
${
  row
    ? `  value = join(value, value.zwxy);
  value = join(value, value.yxwz);
  if (lane == 0u) { out[o] = value.x * params.scale; }`
    : '  if (lane < ACROSS && column < params.inner) { out[o * params.inner + column] = value * params.scale; }'
}
}
`;

interface View {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

/** [outer, length, inner] in Values: of four columns beside each other or of four along a row where they are whole. */
function valuesOf({ outer, length, inner }: View) {
  if (inner % 4 === 0) return { outer, length, inner: inner / 4, row: false, tile: VEC4 };
  const row = inner === 1 && length % 4 === 0;
  return { outer, length: row ? length / 4 : length, inner, row, tile: row ? VEC4 : {} };
}

/**
 * One pass saves the second dispatch and walks down whole cache lines: 256 × 64 98 → 75 µs, 12,544 × 32 202 → 134, 20,000 × 64
 * 488 → 309, 320,000 × 64 6100 → 4900, a row of 65,536 126 → 63; at 2^18 Values, on one core, the two are even. At 64 elements
 * one pass without joining is as fast, at 65 still where scalar columns are many (4096 of them: 1.33 ms instead of 1.13).
 */
export function suitsLanes(view: View): boolean {
  const { outer, length, inner, tile } = valuesOf(view);
  return view.length > 64 && length <= 262_144 && (tile === VEC4 || length >= 128 || outer * inner < 512);
}

/** Over [outer, length, inner] in one pass. */
export function laneWalk(view: View, scale: number, constants: Constants): Pass {
  const { outer, length, inner, row, tile } = valuesOf(view);
  const across = lanesAcross(inner);
  const columnGroups = Math.ceil(inner / across);
  return {
    source: generated(import.meta.url, `reduce/lanes-${row ? 'row' : 'column'}`, () => text(row)),
    constants: { ...constants, ...tile, ACROSS: across },
    params: { length, inner, groups: outer * columnGroups, columnGroups, scale },
    workgroups: foldWorkgroups(outer * columnGroups),
  };
}
