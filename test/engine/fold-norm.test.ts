import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  BatchNorm,
  backward,
  Conv2d,
  type Device,
  Generator,
  noGrad,
  openDevice,
  program,
  square,
  sum,
  type Tensor,
  tensor,
} from '../../engine/node.ts';
import { expectClose } from '../expect-close.ts';
import { samples } from '../gradcheck.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());
afterEach(() => vi.unstubAllEnvs());

const random = (n: number, seed: number, from: number, to: number): Float32Array =>
  samples(n, seed).map((v) => from + ((to - from) * (v + 1)) / 2);

interface Case {
  readonly cin: number;
  readonly cout: number;
  readonly bias: boolean;
  readonly affine: 'affine' | 'shift' | 'none';
  readonly activation: 'none' | 'relu' | 'leakyRelu';
  readonly groups?: number;
}

const cases: Case[] = [
  { cin: 3, cout: 20, bias: false, affine: 'shift', activation: 'relu' },
  { cin: 64, cout: 64, bias: true, affine: 'affine', activation: 'leakyRelu' },
  { cin: 7, cout: 5, bias: true, affine: 'none', activation: 'none' },
  { cin: 8, cout: 8, bias: false, affine: 'affine', activation: 'relu', groups: 8 },
];

/** A convolution and a norm with running statistics far from 0 and 1. */
function layers({ cin, cout, bias, affine, activation, groups = 1 }: Case) {
  const generator = new Generator(3);
  const conv = new Conv2d(cin, cout, 3, { padding: 1, bias, groups, generator });
  const norm = new BatchNorm(cout, { affine, activation, eps: 1e-3 });
  norm.running_mean.write(random(cout, 1, -1, 1));
  norm.running_var.write(random(cout, 2, 0.2, 3));
  norm.weight?.write(random(cout, 3, -2, 2));
  norm.bias?.write(random(cout, 4, -1, 1));
  const x = tensor(samples(2 * 13 * 13 * cin, 5), [2, 13, 13, cin]);
  return { conv, norm, x };
}

const kernelsOf = async (run: () => Promise<unknown>): Promise<string[]> =>
  (await device.profile(async () => void (await run()))).map(({ kernel }) => kernel);

describe('batch norm in the convolution before it', () => {
  it.each(cases)('equals the norm as a pass of its own: %o', async (one) => {
    const { conv, norm, x } = layers(one);
    norm.eval();
    const forward = (): Tensor => noGrad(() => conv.forwardNorm(x, norm));
    vi.stubEnv('FOLD', '0');
    let expected = new Float32Array();
    expect(
      await kernelsOf(async () => {
        expected = await forward().floats();
      }),
    ).toContain('normApply');
    vi.unstubAllEnvs();
    let found = new Float32Array();
    const kernels = await kernelsOf(async () => {
      found = await forward().floats();
    });
    expect(kernels).not.toContain('normApply');
    expectClose(found, expected, { atol: 2e-5, label: 'folded' });
  });

  it('follows the statistics, in a program too', async () => {
    const { conv, norm, x } = layers(cases[0]);
    norm.eval();
    const forward = (): Tensor => noGrad(() => conv.forwardNorm(x, norm));
    const step = program(forward);
    const seen: Float32Array[] = [];
    for (let i = 0; i < 3; i++) {
      norm.running_mean.write(random(20, 10 + i, -1, 1));
      const found = await (await step.run()).floats();
      expect(found).toEqual(await forward().floats());
      seen.push(found);
    }
    expect(seen[1]).not.toEqual(seen[0]);
    expect(step.plan?.constants).toBeGreaterThan(0);
  });

  it('stays apart while training and where gradients are wanted', async () => {
    const { conv, norm, x } = layers(cases[1]);
    norm.train();
    const before = await norm.running_mean.data();
    await noGrad(() => conv.forwardNorm(x, norm)).floats();
    expect(await norm.running_mean.data()).not.toEqual(before);
    norm.eval();
    backward(sum(square(conv.forwardNorm(x, norm))));
    expect(norm.weight?.grad).toBeDefined();
  });
});
