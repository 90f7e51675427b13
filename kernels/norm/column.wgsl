// The column that a lane of a one-pass norm walks down: a workgroup has ACROSS neighbouring Values of a group, 8 / ACROSS lanes for
// each. Include over-lanes.wgsl before.
// A lane past the last column reads that one too, in step with the others and so before any of them writes, and writes nothing.
struct Column { group: u32, channels: u32, c: u32, base: u32, exists: bool }

fn columnOf(workgroup: u32, lane: u32) -> Column {
  let channels = params.channels / WIDTH;
  let group = workgroup / params.columnGroups;
  let own = (workgroup - group * params.columnGroups) * ACROSS + lane % ACROSS;
  let c = min(own, channels - 1u);
  return Column(group, channels, c, group * params.rows * channels + c, own < channels);
}
