import * as k from '../../engine/node.ts';
import { Network, vgg16Features } from '../../models/index.ts';
import { smallCnn } from '../steps.ts';
import { type Comparison, convolutions, type Peer } from './contenders.ts';

/** Ourselves, by the public API; every run waits for the device like the peers'. */
export async function kindergrad(device: k.Device): Promise<Peer> {
  const g = new k.Generator(2);
  const normal = (shape: number[], requiresGrad = false): k.Tensor =>
    k.tensor(g.normal(k.sizeOf(shape)), shape, { requiresGrad });
  const contenders = new Map<Comparison, () => Promise<unknown>>();
  const program = (name: Comparison, step: () => k.Tensor): void => {
    const p = k.program(step);
    contenders.set(name, async () => {
      await p.run();
      await device.sync();
    });
  };
  const [a, b] = [normal([1024, 1024]), normal([1024, 1024])];
  program('matmul 1024³', () => k.matmul(a, b));
  for (const [c, side] of convolutions) {
    const x = normal([8, side, side, c]);
    const w = normal([3, 3, c, c]);
    const gradient = normal([8, side, side, c]);
    const name = `conv ${c}@${side}`;
    program(`${name} forward`, () => k.conv2d(x, w, undefined, { padding: 1 }));
    const grad = (leaf: k.Tensor): (() => k.Tensor) => {
      const fixed = leaf === x ? w : x;
      return () => {
        leaf.requiresGrad = true;
        fixed.requiresGrad = false;
        const y = k.conv2d(x, w, undefined, { padding: 1 });
        k.backward(y, gradient);
        const made = leaf.grad as k.Tensor;
        leaf.requiresGrad = false;
        return k.affine(made, 1, 0);
      };
    };
    program(`${name} forward + input gradient`, grad(x));
    program(`${name} forward + weight gradient`, grad(w));
  }
  const vgg = new Network(vgg16Features('pool4', { imageSize: 224, width: 1 }), g).eval();
  const picture = normal([1, 224, 224, 3]);
  program('VGG16 to pool4, one 224×224 picture', () => k.noGrad(() => vgg.forward(picture)));
  const cnn = smallCnn().build();
  contenders.set('small CNN step', async () => {
    await cnn.program.run();
    await device.sync();
  });
  const s = await spd(32, 64);
  const log = k.program(() => {
    const y = k.logEig(s);
    k.backward(
      y,
      k.noGrad(() => k.affine(y, 1, 0)),
    );
    return y;
  });
  contenders.set('eigh 32 × 64×64 (ours: log-eig forward + backward)', async () => {
    await log.run();
    await device.sync();
  });
  return { name: 'kindergrad', contenders };

  async function spd(batch: number, d: number): Promise<k.Tensor> {
    const x = normal([batch, 2 * d, d]);
    const m = k.covariance(x, { eps: 1e-4 });
    const copy = k.tensor(await m.floats(), [batch, d, d], { requiresGrad: true });
    return copy;
  }
}
