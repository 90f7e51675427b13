// A workgroup of 8 lanes as ACROSS neighbouring columns and 8 / ACROSS lanes for each. Works on Value: include value.wgsl before.
const ACROSS = 1u;
const DOWN = 8u / ACROSS;

/** The sum over the lanes of a column, the same in all of them. */
fn overLanes(own: Value) -> Value {
  var sum = own;
  if (ACROSS < 2u) { sum += subgroupShuffleXor(sum, 1u); }
  if (ACROSS < 4u) { sum += subgroupShuffleXor(sum, 2u); }
  if (ACROSS < 8u) { sum += subgroupShuffleXor(sum, 4u); }
  return sum;
}
