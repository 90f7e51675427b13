// What a team of 128 invocations, a workgroup, knows together: halves are joined, always in the same order. All of the
// workgroup must call.
const TEAM = 128u;
var<workgroup> joined: array<f32, 128>;

fn teamJoin(value: f32, lane: u32, largest: bool) -> f32 {
  joined[lane] = value;
  workgroupBarrier();
  for (var half = TEAM / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      let other = joined[lane + half];
      joined[lane] = select(joined[lane] + other, max(joined[lane], other), largest);
    }
    workgroupBarrier();
  }
  let result = joined[0];
  workgroupBarrier(); // all have read it before the next one writes
  return result;
}

fn teamSum(value: f32, lane: u32) -> f32 { return teamJoin(value, lane, false); }
fn teamMax(value: f32, lane: u32) -> f32 { return teamJoin(value, lane, true); }
