import { expect, it } from 'vitest';
import { lossDifference } from '../../bench/steps.ts';
import {
  type Device,
  Generator,
  type Module,
  openDevice,
  type Program,
  type StateDict,
  type Tensor,
  tensor,
} from '../../engine/node.ts';
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

interface Training {
  readonly step: Program<Readonly<Record<string, Tensor>>>;
  readonly before?: () => void;
  /** Both ways begin every step from the same weights of it. */
  readonly network?: Module;
}

const classifier = (options: Partial<TrunkConfig>) => (): Training => {
  const model = createModel('so-dlse', { width: 1 / 4, imageSize: 44, ...options }, 1);
  const objective = createObjective(model);
  const optimizer = createOptimizer(model, objective, { lr: 0.005 });
  const images = tensor(samples(6 * 44 * 44 * 3), [6, 44, 44, 3]);
  const labels = tensor(Int32Array.from([0, 1, 2, 0, 1, 2]), [6]);
  const step = trainStep({ model, objective, optimizer, batches: [() => ({ images, labels })] });
  return { step: step as unknown as Training['step'] };
};

const LR = 2e-4;

/**
 * Adam makes whole steps of a GAN's smallest gradients, which are all rounding, and a value beside the kink of a ReLU may fall to
 * either side of it: what two runs make of that grows from step to step, so they do not go on from their own.
 */
const gan = (): Training => {
  const network = new CycleGan(
    cycleGanConfig({ imageSize: 64, ngf: 16, ndf: 16, blocks: 2, lr: LR }),
    new Generator(1),
  );
  const [a, b] = [1, 2].map((seed) => tensor(samples(64 * 64 * 3, seed), [1, 64, 64, 3]));
  return {
    step: network.trainStep({ a: () => a, b: () => b }) as unknown as Training['step'],
    network,
    before: () => {
      network.pools.A.decide();
      network.pools.B.decide();
    },
  };
};

interface Trace {
  readonly losses: Record<string, number>[];
  /** Before the first step, and after each. */
  readonly weights: StateDict[];
}

/** Three steps; `asGpu` with what a GPU would run untuned, `everywhere` with a rung that it runs for larger ones. */
async function train(make: () => Training, asGpu?: { everywhere?: string; like: Trace }): Promise<Trace> {
  const device: Device = await openDevice();
  if (asGpu) {
    const traits: DeviceTraits = { ...device.traits, family: 'tiled', subgroupMinSize: 32, subgroupMaxSize: 32 };
    Object.assign(device, { traits, tuner: new Tuner(traits, new Bench(device)) });
  }
  device.tuner.force('*', asGpu?.everywhere);
  const { step, before, network } = make();
  const losses: Record<string, number>[] = [];
  const weights = network ? [await network.stateDict()] : [];
  const names = new Set<string>();
  for (let i = 0; i < 3; i++) {
    before?.();
    if (asGpu) network?.loadStateDict(asGpu.like.weights[i]);
    const entries = await device.profile(async () => {
      const row: Record<string, number> = {};
      for (const [name, value] of Object.entries(await step.run())) row[name] = await value.item();
      losses.push(row);
    });
    if (network) weights.push(await network.stateDict());
    for (const { variant } of entries) names.add(variant);
  }
  if (asGpu?.everywhere) expect(names).toContain(asGpu.everywhere);
  expect(names.has('tiled')).toBe(asGpu !== undefined);
  expect(names.has('lanes')).toBe(asGpu === undefined);
  step.dispose();
  await device.close();
  return { losses, weights };
}

/** Share of the weights that two states have a quarter of a step or more apart. */
function apart(a: StateDict, b: StateDict): number {
  let [count, differ] = [0, 0];
  for (const [name, { data }] of a) {
    const other = b.get(name)?.data ?? [];
    count += data.length;
    differ += data.filter((v, i) => Math.abs(v - other[i]) > LR / 4).length;
  }
  return differ / count;
}

it.each([
  ['so-dlse', classifier({ sePosition: 'after-every-conv' }), undefined],
  ['so-dlse, every ReEig decomposed', classifier({ spectralPath: 'full' }), undefined],
  ['so-dlse by Winograd', classifier({}), 'winograd-tiled'],
  ['CycleGAN', gan, undefined],
] as const)('the rungs of GPUs and of CPUs train alike: %s', async (_name, make, everywhere) => {
  const cpu = await train(make);
  const gpu = await train(make, { like: cpu, ...(everywhere && { everywhere }) });
  for (const [i, expected] of cpu.losses.entries()) {
    expect(lossDifference(gpu.losses[i], expected), `step ${i + 1}`).toBeLessThan(2e-5);
  }
  for (const [i, expected] of cpu.weights.entries()) {
    expect(apart(gpu.weights[i], expected), `weights after step ${i}`).toBeLessThan(0.005);
  }
});
