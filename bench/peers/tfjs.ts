import { createRequire } from 'node:module';
import type * as Tf from '@tensorflow/tfjs-core';
import { type Comparison, convolutions, type Peer, ready, vgg16Channels } from './contenders.ts';

const require = createRequire(import.meta.url);

/** TensorFlow.js on WebGPU.  */
export async function tfjs(gpu: GPU): Promise<Peer> {
  const navigator = { gpu, userAgent: 'node', platform: 'node' };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true, writable: true });
  const prototype = GPUAdapter.prototype as unknown as Record<string, unknown>;
  prototype.requestAdapterInfo ??= async function (this: GPUAdapter) {
    return this.info;
  };
  const tf = require('@tensorflow/tfjs-core') as typeof Tf;
  // Not in the package's main file: convolution's gradient and the others.
  require('@tensorflow/tfjs-core/dist/register_all_gradients');
  require('@tensorflow/tfjs-backend-cpu');
  require('@tensorflow/tfjs-backend-webgpu');
  await tf.setBackend('webgpu');
  await tf.ready();
  if (tf.getBackend() !== 'webgpu') throw new Error(`TensorFlow.js took its ${tf.getBackend()} backend`);
  /** Waits by reading one element: reading all of it would be timed too. */
  const wait = async (t: Tf.Tensor): Promise<void> => {
    const one = tf.slice(t, new Array(t.rank).fill(0), new Array(t.rank).fill(1));
    await one.data();
    one.dispose();
    t.dispose();
  };
  const contenders = new Map<Comparison, () => Promise<unknown>>();
  const [a, b] = [tf.randomNormal([1024, 1024]), tf.randomNormal([1024, 1024])];
  contenders.set('matmul 1024³', () => wait(tf.matMul(a, b)));
  for (const [c, side] of convolutions) {
    const x = tf.randomNormal([8, side, side, c]) as Tf.Tensor4D;
    const w = tf.randomNormal([3, 3, c, c]) as Tf.Tensor4D;
    const dy = tf.randomNormal([8, side, side, c]);
    const name = `conv ${c}@${side}`;
    contenders.set(`${name} forward`, () => wait(tf.conv2d(x, w, 1, 'same')));
    const dx = tf.grad((v) => tf.conv2d(v as Tf.Tensor4D, w, 1, 'same'));
    contenders.set(`${name} forward + input gradient`, () => wait(dx(x, dy)));
    const dw = tf.grad((v) => tf.conv2d(x, v as Tf.Tensor4D, 1, 'same'));
    contenders.set(`${name} forward + weight gradient`, () => wait(dw(w, dy)));
  }
  const picture = tf.randomNormal([1, 224, 224, 3]) as Tf.Tensor4D;
  let input = 3;
  const filters = vgg16Channels.map((channels) => {
    if (channels === 0) return undefined;
    const weight = tf.randomNormal([3, 3, input, channels], 0, Math.sqrt(2 / (9 * input))) as Tf.Tensor4D;
    input = channels;
    return { weight, bias: tf.zeros([channels]) };
  });
  contenders.set('VGG16 to pool4, one 224×224 picture', () =>
    wait(
      tf.tidy(() =>
        filters.reduce<Tf.Tensor4D>(
          (h, filter) =>
            filter
              ? tf.fused.conv2d({
                  x: h,
                  filter: filter.weight,
                  strides: 1,
                  pad: 'same',
                  bias: filter.bias,
                  activation: 'relu',
                })
              : tf.maxPool(h, 2, 2, 'valid'),
          picture,
        ),
      ),
    ),
  );
  const variables = {
    c1: tf.variable(tf.randomNormal([3, 3, 1, 16])),
    c2: tf.variable(tf.randomNormal([3, 3, 16, 32])),
    dense: tf.variable(tf.randomNormal([32 * 49, 10])),
  };
  const x = tf.randomNormal([64, 28, 28, 1]) as Tf.Tensor4D;
  const y = tf.randomNormal([64, 10]);
  const optimizer = tf.train.sgd(0.01);
  contenders.set('small CNN step', async () => {
    const loss = optimizer.minimize(() => {
      const h1 = tf.maxPool(tf.relu(tf.conv2d(x, variables.c1 as Tf.Tensor4D, 1, 'same')), 2, 2, 'same');
      const h2 = tf.maxPool(
        tf.relu(tf.conv2d(h1 as Tf.Tensor4D, variables.c2 as Tf.Tensor4D, 1, 'same')),
        2,
        2,
        'same',
      );
      const out = tf.matMul(tf.reshape(h2, [64, 32 * 49]), variables.dense as Tf.Tensor2D);
      return tf.mean(tf.square(tf.sub(out, y))) as Tf.Scalar;
    }, true);
    await loss?.data();
    loss?.dispose();
  });
  return { name: `TensorFlow.js ${tf.version_core} (WebGPU)`, contenders: ready(contenders) };
}
