// What a team of 128 invocations, a workgroup, knows together: halves are joined, always in the same order. All of the
// workgroup must call.
const TEAM = 128u;
var<workgroup> joined: array<f32, 128>;

fn teamSum(value: f32, lane: u32) -> f32 {
  joined[lane] = value;
  workgroupBarrier();
  for (var half = TEAM / 2u; half > 0u; half /= 2u) {
    if (lane < half) { joined[lane] += joined[lane + half]; }
    workgroupBarrier();
  }
  let sum = joined[0];
  workgroupBarrier(); // all have read it before the next one writes
  return sum;
}

fn teamMax(value: f32, lane: u32) -> f32 {
  joined[lane] = value;
  workgroupBarrier();
  for (var half = TEAM / 2u; half > 0u; half /= 2u) {
    if (lane < half) { joined[lane] = max(joined[lane], joined[lane + half]); }
    workgroupBarrier();
  }
  let largest = joined[0];
  workgroupBarrier();
  return largest;
}
