// halfScales: from the largest |x| of two operands, the powers of two that bring them to 2¹⁴ … 2¹⁵, so that no value leaves the
// range of halves (65504) and small ones keep their digits; scales = (left, right, undo, undo), where sums of products of
// scaled operands times both undo factors are those of the operands: one factor alone could leave the range of f32.
requires immediate_address_space;

struct Params { leftPartials: u32, rightPartials: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> partial: array<u32>;
@group(0) @binding(1) var<storage, read_write> scales: array<vec4f>;

var<workgroup> largest: array<atomic<u32>, 2>;

// Exponent of the scale; at most 2¹²⁶, above which operands below 2⁻¹¹² would need more than a float can hold.
fn exponentFor(bits: u32) -> i32 {
  if (bits == 0u) { return 0; }
  return min(14 - (i32(bits >> 23u) - 127), 126);
}

fn powerOfTwo(exponent: i32) -> f32 { return bitcast<f32>(u32(exponent + 127) << 23u); }

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var i = lane; i < params.leftPartials; i += 64u) { atomicMax(&largest[0], partial[i]); }
  for (var i = lane; i < params.rightPartials; i += 64u) { atomicMax(&largest[1], partial[params.leftPartials + i]); }
  workgroupBarrier();
  if (lane == 0u) {
    let left = exponentFor(atomicLoad(&largest[0]));
    let right = exponentFor(atomicLoad(&largest[1]));
    let undo = -(left + right);
    scales[0] = vec4f(powerOfTwo(left), powerOfTwo(right), powerOfTwo(undo / 2), powerOfTwo(undo - undo / 2));
  }
}
