import * as k from '../../engine/node.ts';
import { createModel, Network, vgg16Features } from '../../models/index.ts';
import { smallCnn } from '../workloads.ts';
import { type Comparison, convolutions, largeConvolution, type Peer, type Ready } from './contenders.ts';

/** Ourselves, by the public API; every run waits for the device like the peers'. */
export function kindergrad(device: k.Device): Peer {
  const g = new k.Generator(2);
  const normal = (shape: number[], requiresGrad = false): k.Tensor =>
    k.tensor(g.normal(k.sizeOf(shape)), shape, { requiresGrad });
  const contenders = new Map<Comparison, () => Promise<Ready>>();
  /** `make` makes the inputs and returns the step. */
  const add = (name: Comparison, make: () => (() => k.Tensor) | Promise<() => k.Tensor>): void => {
    contenders.set(name, async () => {
      const program = k.program(await make());
      return {
        run: async () => {
          await program.run();
          await device.sync();
        },
        release: () => program.dispose(),
      };
    });
  };
  add('matmul 1024³', () => {
    const [a, b] = [normal([1024, 1024]), normal([1024, 1024])];
    return () => k.matmul(a, b);
  });
  for (const [c, side] of [...convolutions, largeConvolution]) {
    const operands = (wanted?: 'x' | 'w') => ({
      x: normal([8, side, side, c], wanted === 'x'),
      w: normal([3, 3, c, c], wanted === 'w'),
    });
    const name = `conv ${c}@${side}`;
    add(`${name} forward`, () => {
      const { x, w } = operands();
      return () => k.conv2d(x, w, undefined, { padding: 1 });
    });
    const withGradient = (wanted: 'x' | 'w') => () => {
      const both = operands(wanted);
      const gradient = normal([8, side, side, c]);
      return () => {
        k.backward(k.conv2d(both.x, both.w, undefined, { padding: 1 }), gradient);
        return (both[wanted].grad as k.Tensor).alias();
      };
    };
    add(`${name} forward + input gradient`, withGradient('x'));
    add(`${name} forward + weight gradient`, withGradient('w'));
  }
  add('VGG16 to pool4, one 224×224 picture', () => {
    const vgg = new Network(vgg16Features('pool4', { imageSize: 224, width: 1 }), g).eval();
    const picture = normal([1, 224, 224, 3]);
    return () => k.noGrad(() => vgg.forward(picture));
  });
  add('so-dlse inference, 8 pictures of 100×100', () => {
    const model = createModel('so-dlse', {}, 1).eval();
    const images = normal([8, 100, 100, 3]);
    return () => k.noGrad(() => model.classify(images).logits);
  });
  const spd = async (batch: number, n: number, requiresGrad: boolean): Promise<k.Tensor> => {
    const matrices = k.covariance(normal([batch, 2 * n, n]), { eps: 1e-4 });
    return k.tensor(await matrices.floats(), [batch, n, n], { requiresGrad });
  };
  add('eigh 32 × 64×64', async () => {
    const s = await spd(32, 64, false);
    return () => k.eigh(s).vectors;
  });
  for (const [batch, n] of [
    [32, 64],
    [128, 64],
    [128, 128],
  ]) {
    add(`log-eig ${batch} × ${n}×${n} forward + backward`, async () => {
      const s = await spd(batch, n, true);
      const gradient = normal([batch, n, n]);
      return () => {
        k.backward(k.logEig(s), gradient);
        return (s.grad as k.Tensor).alias();
      };
    });
  }
  contenders.set('small CNN step', async () => {
    const step = smallCnn().prepare(device);
    return { run: () => step.run(), release: () => step.dispose() };
  });
  return { name: 'kindergrad', contenders };
}
