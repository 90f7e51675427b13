// Mean and M2 = Σ (x − mean)² of some rows of one column of x, read once: those of four rows at a time, from their own mean,
// join those of the rows before (Chan, Golub & LeVeque 1979), which keeps variances right where Σx² − (Σx)²/n would cancel.
struct Moments { mean: Value, m2: Value }

/** Of rows `start` to `to`, `base` the first of the column; without a row, something finite. */
fn momentsOf(base: u32, start: u32, to: u32, channels: u32) -> Moments {
  let first = x[base + min(start, params.rows - 1u) * channels];
  var mean = Value(0.0); // less `first`
  var m2 = Value(0.0);
  var row = start;
  for (; row + 4u <= to; row += 4u) {
    let at = base + row * channels;
    let d0 = x[at] - first;
    let d1 = x[at + channels] - first;
    let d2 = x[at + 2u * channels] - first;
    let d3 = x[at + 3u * channels] - first;
    let own = (d0 + d1 + d2 + d3) * 0.25;
    let e0 = d0 - own;
    let e1 = d1 - own;
    let e2 = d2 - own;
    let e3 = d3 - own;
    let before = f32(row - start);
    let delta = own - mean;
    mean += delta * (4.0 / (before + 4.0));
    m2 += e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3 + delta * delta * (before * 4.0 / (before + 4.0));
  }
  for (; row < to; row++) {
    let d = x[base + row * channels] - first;
    let before = f32(row - start);
    let delta = d - mean;
    mean += delta / (before + 1.0);
    m2 += delta * delta * (before / (before + 1.0));
  }
  return Moments(first + mean, m2);
}
