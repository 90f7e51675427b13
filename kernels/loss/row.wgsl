// Of the numbers in a Value, one or four: include common/value.wgsl before.

fn largestOf(v: Value) -> f32 {
  let all = vec4f(v);
  return max(max(all.x, all.y), max(all.z, all.w));
}

fn sumOf(v: Value) -> f32 {
  let all = vec4f(v);
  return select((all.x + all.y) + (all.z + all.w), all.x, WIDTH == 1u);
}

/** Of a Value whose numbers are all the same. */
fn anyOf(v: Value) -> f32 { return vec4f(v).x; }
