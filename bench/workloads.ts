/** The training steps that the bench runs, each with what another engine needs to repeat it from the same weights. */
import * as k from '../engine/node.ts';
import { type StoredTensor, storeFloat32 } from '../engine/safetensors.ts';
import {
  type ClassifierConfigs,
  type ClassifierName,
  CycleGan,
  createModel,
  createObjective,
  createOptimizer,
  cycleGanConfig,
  trainStep,
} from '../models/index.ts';
import { median } from './measure.ts';

/** Milliseconds of the host until the queue has a run, and of these what the native submission takes: Dawn's and the driver's recording. */
export interface HostTimes {
  readonly all: number;
  readonly submission: number;
}

/** A step that is ready to run. */
export interface Prepared {
  readonly program: k.Program<unknown>;
  /** Bytes of what lives between steps: weights with running statistics, and the optimiser's moments. */
  readonly weightBytes: number;
  readonly optimizerBytes: number;
  /** Runs the step and waits for the device. */
  run(): Promise<void>;
  /** Medians over the runs since the last call. */
  host(): HostTimes;
  /** The losses of the run before, by name. */
  losses(): Promise<Record<string, number>>;
  /** Weights and inputs as they are now, and the settings that torch_steps.py asks for. */
  hand(): Promise<{ settings: Record<string, unknown>; tensors: Map<string, StoredTensor> }>;
  dispose(): void;
}

export interface Workload {
  readonly title: string;
  readonly batch: number;
  /** Takes minutes on a software adapter: left out of the quick run. */
  readonly heavy?: boolean;
  /** Fills a GPU: software adapters leave it out, and say so. */
  readonly gpuOnly?: boolean;
  prepare(device: k.Device): Prepared;
}

const generator = new k.Generator(3);
const pictures = (...shape: number[]): k.Tensor => k.tensor(generator.normal(k.sizeOf(shape)), shape);
const labelsOf = (batch: number): k.Tensor =>
  k.tensor(
    Int32Array.from({ length: batch }, (_, i) => i % 3),
    [batch],
  );

const bytesOf = (tensors: Iterable<k.Tensor>): number => [...tensors].reduce((sum, t) => sum + 4 * t.size, 0);
const stateOf = (module: k.Module): k.Tensor[] => [...module.namedState()].map(([, parameter]) => parameter);

async function stored(tensors: Record<string, k.Tensor>, module?: k.Module): Promise<Map<string, StoredTensor>> {
  const out = new Map<string, StoredTensor>();
  for (const [key, { data, shape }] of module ? await module.stateDict() : []) out.set(key, storeFloat32(data, shape));
  for (const [key, t] of Object.entries(tensors))
    out.set(key, storeFloat32(Float32Array.from(await t.data()), t.shape));
  return out;
}

/** Times a native method until `end`, which returns the milliseconds of all its calls. */
function timed<K extends string>(object: { [key in K]: (...args: never[]) => unknown }, name: K): { end(): number } {
  const native = object[name];
  let sum = 0;
  object[name] = (...args) => {
    const start = performance.now();
    const result = native.apply(object, args);
    sum += performance.now() - start;
    return result;
  };
  return {
    end() {
      object[name] = native;
      return sum;
    },
  };
}

/** Runs a program whose results hold the losses by name. */
function running(device: k.Device, program: k.Program<Readonly<Record<string, k.Tensor>>>, before?: () => void) {
  let results: Readonly<Record<string, k.Tensor>> = {};
  let host: HostTimes[] = [];
  return {
    program,
    run: async () => {
      before?.();
      const submissions = timed(device.gpu.queue, 'submit');
      const start = performance.now();
      results = await program.run();
      host.push({ all: performance.now() - start, submission: submissions.end() });
      await device.sync();
    },
    host: () => {
      const times = host;
      host = [];
      return { all: median(times.map(({ all }) => all)), submission: median(times.map((t) => t.submission)) };
    },
    losses: async () => {
      const out: Record<string, number> = {};
      for (const [name, value] of Object.entries(results)) out[name] = await value.item();
      return out;
    },
  };
}

/** A classifier with its paper's objective and optimiser; VFESO-DLSE from extracted features. */
export function classifier<N extends ClassifierName>(
  title: string,
  name: N,
  batch: number,
  options: Partial<ClassifierConfigs[N]> = {},
): Workload {
  return {
    title,
    batch,
    prepare: (device) => {
      const model = createModel(name, options, 1);
      const objective = createObjective(model);
      const settings = { lr: 0.005, betas: [0.9, 0.999] as const, eps: 0.1, weightDecay: 0.05 };
      const optimizer = createOptimizer(model, objective, { ...settings, epsPlacement: 'tensorflow' });
      const [images, labels] = [pictures(batch, ...model.plan.input), labelsOf(batch)];
      const program = trainStep({
        model,
        objective,
        optimizer,
        batches: [() => ({ images, labels })],
        extracted: true,
      }) as unknown as k.Program<Record<string, k.Tensor>>;
      const { lambda, lambda1, alpha, reduction } = objective.options;
      const parts = [program, optimizer, objective, model, images, labels];
      const { batchNorm = false, spectralPath = 'auto' } = { ...model.config } as Record<string, unknown>;
      return {
        ...running(device, program),
        weightBytes: bytesOf(stateOf(model.network)) + bytesOf(stateOf(objective)),
        optimizerBytes: 2 * bytesOf(model.network.parameters()),
        hand: async () => ({
          settings: {
            step: 'classifier',
            model: name,
            classes: model.config.classes,
            batchNorm,
            everyReEig: spectralPath === 'full',
            ...settings,
            ...{ lambda, lambda1, alpha, reduction },
          },
          tensors: await stored({ images, labels, centres: objective.centres }, model.network),
        }),
        dispose: () => parts.forEach((part) => void part.dispose()),
      };
    },
  };
}

/** conv16-pool-conv32-pool-dense on 28×28, mean squared error, SGD: the peers' common small step. */
export const smallCnn = (batch = 64): Workload => ({
  title: 'small CNN 28×28',
  batch,
  prepare: (device) => {
    const g = new k.Generator(5);
    const c1 = new k.Conv2d(1, 16, 3, { padding: 1, activation: 'relu', generator: g });
    const c2 = new k.Conv2d(16, 32, 3, { padding: 1, activation: 'relu', generator: g });
    const dense = new k.Linear(32 * 49, 10, { generator: g });
    const net = new k.Sequential([c1, c2, dense]);
    const lr = 0.01;
    const optimizer = new k.SGD(net.namedParameters(), { lr });
    const images = pictures(batch, 28, 28, 1);
    const targets = pictures(batch, 10);
    const program = k.program(() => {
      const out = dense.forward(k.flatten(c2.forwardMaxPool(c1.forwardMaxPool(images, 2), 2)));
      const loss = k.mseLoss(out, targets);
      k.backward(loss);
      optimizer.step();
      return { loss };
    });
    const parts = [program, optimizer, net, images, targets];
    return {
      ...running(device, program),
      weightBytes: bytesOf(stateOf(net)),
      optimizerBytes: 0,
      hand: async () => ({
        settings: { step: 'smallCnn', lr, parameters: [...net.namedState()].map(([key]) => key) },
        tensors: await stored({ images, targets }, net),
      }),
      dispose: () => parts.forEach((part) => void part.dispose()),
    };
  },
});

export const gan = (imageSize: number, ngf: number, blocks: number, rematerialise = false): Workload => ({
  title: `CycleGAN ${imageSize}×${imageSize}, ngf ${ngf}, ${blocks} blocks${rematerialise ? ', rematerialised' : ''}`,
  batch: 1,
  heavy: imageSize >= 256,
  prepare: (device) => {
    const config = cycleGanConfig({ imageSize, ngf, ndf: ngf, blocks, rematerialise });
    const model = new CycleGan(config, new k.Generator(1));
    const [a, b] = [pictures(1, imageSize, imageSize, 3), pictures(1, imageSize, imageSize, 3)];
    const program = model.trainStep({ a: () => a, b: () => b });
    const decide = (): void => {
      model.pools.A.decide();
      model.pools.B.decide();
    };
    return {
      ...running(device, program, decide),
      weightBytes: bytesOf(stateOf(model)),
      optimizerBytes: 2 * bytesOf(stateOf(model)),
      hand: async () => {
        const { lambda, identity, lr, ndf } = config;
        return {
          settings: { step: 'cycleGan', ngf, ndf, blocks, lambda, identity, lr },
          tensors: await stored({ a, b }, model),
        };
      },
      dispose: () => [program, model, a, b].forEach((part) => void part.dispose()),
    };
  },
});

/** Every model's step, at full width where nothing else is said. */
export const workloads: readonly Workload[] = [
  smallCnn(),
  // At full width its FC weight of 281 MiB is above the largest binding of software Vulkan.
  classifier('dlp 100×100, half width', 'dlp', 32, { width: 0.5 }),
  classifier('baseline 100×100', 'baseline', 32),
  classifier('so-dlse 100×100', 'so-dlse', 32),
  classifier('so-dlse 100×100, every ReEig decomposed', 'so-dlse', 32, { spectralPath: 'full' }),
  classifier('vfeso-dlse from pool4 features', 'vfeso-dlse', 32),
  { ...classifier('so-dlse 100×100', 'so-dlse', 128), gpuOnly: true },
  { ...classifier('vfeso-dlse from pool4 features', 'vfeso-dlse', 128), gpuOnly: true },
  gan(64, 16, 3),
  gan(256, 64, 9),
];
