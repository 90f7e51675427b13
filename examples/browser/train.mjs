/**
 * A texture classifier with covariance pooling, small enough for a page: stripes of two directions in noise have the same
 * mean and another covariance. Runs wherever the engine runs: in a browser (index.html) or in Node.
 *
 * @typedef {typeof import('../../engine/index.ts')} Engine
 */

const [side, channels, batch, classes] = [12, 8, 32, 2];

/**
 * Pictures [n, side, side, 1] and their labels.
 * @param {import('../../engine/index.ts').Generator} generator
 * @param {number} n
 */
function stripes(generator, n) {
  const labels = Uint32Array.from({ length: n }, (_, i) => i % classes);
  const noise = generator.normal(n * side * side, 0, 0.5);
  const phases = generator.uniform(n, 0, Math.PI);
  const pictures = noise.map((value, at) => {
    const picture = Math.floor(at / (side * side));
    const across = labels[picture] === 0 ? at % side : Math.floor(at / side) % side;
    return value + Math.sin(1.2 * across + phases[picture]);
  });
  return { pictures, labels };
}

/**
 * Trains for `steps` steps on the device in use; the losses, and the share of unseen pictures that it gets right.
 * @param {Engine} k
 * @param {{ steps?: number, onStep?: (step: number, loss: number) => void }} [options]
 */
export async function train(k, { steps = 30, onStep } = {}) {
  const generator = new k.Generator(7);
  const conv = new k.Conv2d(1, channels, 3, { padding: 1, activation: 'relu', generator });
  const head = new k.Linear(channels * channels, classes, { generator });
  const net = new k.Sequential([conv, head]);
  const optimizer = new k.Adam(net.namedParameters(), { lr: 0.02 });

  /** @param {import('../../engine/index.ts').Tensor} x */
  const forward = (x) => {
    const features = k.reshape(conv.forward(x), [batch, side * side, channels]);
    return head.forward(k.flatten(k.covarianceLogEig(features, [])));
  };

  const [seen, unseen] = [stripes(generator, batch), stripes(generator, batch)];
  const x = k.tensor(seen.pictures, [batch, side, side, 1]);
  const y = k.tensor(seen.labels, [batch]);
  const step = k.program(() => {
    const loss = k.crossEntropy(forward(x), y);
    optimizer.zeroGrad();
    k.backward(loss);
    optimizer.step();
    return loss;
  });

  /** @type {number[]} */
  const losses = [];
  for (let i = 1; i <= steps; i++) {
    losses.push(await (await step.run()).item());
    onStep?.(i, losses[i - 1]);
  }

  x.write(unseen.pictures);
  const logits = await k.scope(() => k.noGrad(() => forward(x))).floats();
  const right = unseen.labels.filter((label, i) => logits[classes * i + 1] > logits[classes * i] === (label === 1));
  return { losses, accuracy: right.length / batch };
}
