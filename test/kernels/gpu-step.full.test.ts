import { expect, it } from 'vitest';
import { lossDifference } from '../../bench/steps.ts';
import { type Device, Generator, openDevice, type Program, type Tensor, tensor } from '../../engine/node.ts';
import { Tuner } from '../../engine/runtime/tuner.ts';
import { Bench } from '../../engine/runtime/tuning.ts';
import type { DeviceTraits } from '../../kernels/kernel.ts';
import {
  CycleGan,
  createModel,
  createObjective,
  createOptimizer,
  cycleGanConfig,
  type TrunkConfig,
  trainStep,
} from '../../models/index.ts';
import { samples } from '../gradcheck.ts';

type Step = Program<Readonly<Record<string, Tensor>>>;

const classifier = (options: Partial<TrunkConfig>) => (): { step: Step; before?: () => void } => {
  const model = createModel('so-dlse', { width: 1 / 4, imageSize: 44, ...options }, 1);
  const objective = createObjective(model);
  const optimizer = createOptimizer(model, objective, { lr: 0.005 });
  const images = tensor(samples(6 * 44 * 44 * 3), [6, 44, 44, 3]);
  const labels = tensor(Int32Array.from([0, 1, 2, 0, 1, 2]), [6]);
  return { step: trainStep({ model, objective, optimizer, batches: [() => ({ images, labels })] }) as unknown as Step };
};

const gan = (): { step: Step; before?: () => void } => {
  const model = new CycleGan(cycleGanConfig({ imageSize: 64, ngf: 16, ndf: 16, blocks: 2 }), new Generator(1));
  const [a, b] = [1, 2].map((seed) => tensor(samples(64 * 64 * 3, seed), [1, 64, 64, 3]));
  return {
    step: model.trainStep({ a: () => a, b: () => b }) as unknown as Step,
    before: () => {
      model.pools.A.decide();
      model.pools.B.decide();
    },
  };
};

/** The losses of three steps; `asGpu` with what a GPU would run untuned, `everywhere` with a rung that it runs for larger ones. */
async function losses(make: typeof gan, asGpu: boolean, everywhere?: string): Promise<Record<string, number>[]> {
  const device: Device = await openDevice();
  if (asGpu) {
    const traits: DeviceTraits = { ...device.traits, family: 'tiled', subgroupMinSize: 32, subgroupMaxSize: 32 };
    Object.assign(device, { traits, tuner: new Tuner(traits, new Bench(device)) });
  }
  device.tuner.force('*', everywhere);
  const { step, before } = make();
  const found: Record<string, number>[] = [];
  const names = new Set<string>();
  for (let i = 0; i < 3; i++) {
    before?.();
    const entries = await device.profile(async () => {
      const row: Record<string, number> = {};
      for (const [name, value] of Object.entries(await step.run())) row[name] = await value.item();
      found.push(row);
    });
    for (const { variant } of entries) names.add(variant);
  }
  if (everywhere) expect(names).toContain(everywhere);
  expect(names.has('tiled')).toBe(asGpu);
  expect(names.has('lanes')).toBe(!asGpu);
  step.dispose();
  await device.close();
  return found;
}

it.each([
  ['so-dlse', classifier({ sePosition: 'after-every-conv' }), undefined],
  ['so-dlse, every ReEig decomposed', classifier({ spectralPath: 'full' }), undefined],
  ['so-dlse by Winograd', classifier({}), 'winograd-tiled'],
  ['CycleGAN', gan, undefined],
] as const)('the rungs of GPUs and of CPUs train alike: %s', async (_name, make, everywhere) => {
  const [cpu, gpu] = [await losses(make, false), await losses(make, true, everywhere)];
  for (const [i, expected] of cpu.entries()) {
    // Adam makes whole steps of a GAN's smallest gradients, which are all rounding: there, differences grow.
    const bound = make === gan ? 2e-5 * 15 ** i : 2e-5;
    expect(lossDifference(gpu[i], expected), `step ${i + 1}`).toBeLessThan(bound);
  }
});
