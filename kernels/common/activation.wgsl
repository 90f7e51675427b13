const ACTIVATION = 0u; // 0 none, 1 relu, 2 leakyRelu, 3 tanh, 4 sigmoid, 5 relu6; the first three differ in their slope only

// slope: 1 none, 0 relu, else leakyRelu. NaN stays NaN.
fn activate(x: f32, slope: f32) -> f32 {
  switch ACTIVATION {
    case 3u: { return tanh(x); }
    case 4u: { return 1.0 / (1.0 + exp(-x)); }
    case 5u: { return select(select(x, 6.0, x > 6.0), 0.0, x <= 0.0); }
    default: { return select(slope * x, x, x > 0.0); }
  }
}
