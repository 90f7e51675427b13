// Mean and variance of a column in the lanes that walk down it, `chunk` rows each, in walks of 1024 that are joined in order (Chan
// et al. 1979); M2 = Σ M2ₗ + nₗ (meanₗ − mean)² joins the lanes, always in the same order. Include over-lanes.wgsl before.
// #include "chunk-statistics.wgsl"

struct Statistics { mean: Value, variance: Value }

/** The same in all lanes of a column, which begins at `base`. */
fn columnStatistics(base: u32, channels: u32, lane: u32) -> Statistics {
  let start = lane / ACROSS * params.chunk;
  let to = min(start + params.chunk, params.rows);
  var ownMean = Value(0.0);
  var ownM2 = Value(0.0);
  var size = 0.0;
  for (var begin = start; begin < to; begin += 1024u) {
    let end = min(begin + 1024u, to);
    let walk = momentsOf(base, begin, end, channels);
    let more = f32(end - begin);
    let d = walk.mean - ownMean;
    ownMean += d * (more / (size + more));
    ownM2 += walk.m2 + d * (d * (size * more / (size + more)));
    size += more;
  }
  let first = subgroupShuffle(ownMean, lane % ACROSS);
  let n = f32(params.rows);
  let m = first + overLanes(size * (ownMean - first)) / n;
  let d = ownMean - m;
  let m2 = overLanes(ownM2 + size * d * d);
  return Statistics(m, m2 / n);
}
