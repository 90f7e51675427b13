/** Whole training steps as programs: milliseconds, memory, what dominates. */
import * as k from '../engine/node.ts';
import {
  type ClassifierName,
  CycleGan,
  createModel,
  createObjective,
  createOptimizer,
  cycleGanConfig,
  trainStep,
} from '../models/index.ts';
import { interleaved } from './measure.ts';

export interface StepRow {
  readonly title: string;
  readonly batch: number;
  readonly median: number;
  readonly min: number;
  readonly samples: readonly number[];
  /** Compiling and planning included. */
  readonly first: number;
  readonly dispatches: number;
  /** JavaScript time to submit one replayed step, microseconds per dispatch. */
  readonly hostMicroseconds: number;
  /** Bytes of the shared temporaries, and what they would take each on its own. */
  readonly temporaryBytes: number;
  readonly unsharedBytes: number;
  /** The kernels that take the most time, with their share. */
  readonly dominant: readonly { readonly kernel: string; readonly share: number }[];
}

interface Step {
  readonly title: string;
  readonly batch: number;
  readonly heavy?: boolean;
  readonly build: () => { program: k.Program<unknown>; before?: () => void; dispose: () => void };
}

const generator = new k.Generator(3);
const pictures = (batch: number, side: number): k.Tensor =>
  k.tensor(generator.normal(batch * side * side * 3), [batch, side, side, 3]);
const labels = (batch: number): k.Tensor =>
  k.tensor(
    Int32Array.from({ length: batch }, (_, i) => i % 3),
    [batch],
  );

const classifier = (name: ClassifierName, batch: number, imageSize: number, heavy = false): Step => ({
  title: `${name} ${imageSize}×${imageSize}`,
  batch,
  heavy,
  build: () => {
    const model = createModel(name, { imageSize }, 1);
    const objective = createObjective(model);
    const optimizer = createOptimizer(model, objective);
    const inputs = { images: pictures(batch, imageSize), labels: labels(batch) };
    const program = trainStep({ model, objective, optimizer, batches: [() => inputs] });
    const parts = [program, optimizer, objective, model, inputs.images, inputs.labels];
    return { program, dispose: () => parts.forEach((part) => void part.dispose()) };
  },
});

/** conv16-pool-conv32-pool-dense on 28×28, mean squared error, SGD: the peers' common small step. */
export const smallCnn = (batch = 64): Step => ({
  title: 'small CNN 28×28',
  batch,
  build: () => {
    const g = new k.Generator(5);
    const c1 = new k.Conv2d(1, 16, 3, { padding: 1, activation: 'relu', generator: g });
    const c2 = new k.Conv2d(16, 32, 3, { padding: 1, activation: 'relu', generator: g });
    const dense = new k.Linear(32 * 49, 10, { generator: g });
    const net = new k.Sequential([c1, c2, dense]);
    const optimizer = new k.SGD(net.namedParameters(), { lr: 0.01 });
    const x = k.tensor(g.normal(batch * 784), [batch, 28, 28, 1]);
    const y = k.tensor(g.normal(batch * 10), [batch, 10]);
    const program = k.program(() => {
      const h = k.maxPool2d(c1.forward(x), { kernelSize: 2 });
      const out = dense.forward(k.flatten(k.maxPool2d(c2.forward(h), { kernelSize: 2 })));
      const loss = k.mean(k.square(k.sub(out, y)));
      k.backward(loss);
      optimizer.step();
      return loss;
    });
    const parts = [program, optimizer, net, x, y];
    return { program, dispose: () => parts.forEach((part) => void part.dispose()) };
  },
});

const gan = (imageSize: number, ngf: number, blocks: number, heavy = false): Step => ({
  title: `CycleGAN ${imageSize}×${imageSize}, ngf ${ngf}, ${blocks} blocks`,
  batch: 1,
  heavy,
  build: () => {
    const model = new CycleGan(cycleGanConfig({ imageSize, ngf, ndf: ngf, blocks }), new k.Generator(1));
    const [a, b] = [pictures(1, imageSize), pictures(1, imageSize)];
    const program = model.trainStep({ a: () => a, b: () => b });
    return {
      program,
      before: () => {
        model.pools.A.decide();
        model.pools.B.decide();
      },
      dispose: () => [program, model, a, b].forEach((part) => void part.dispose()),
    };
  },
});

const steps: readonly Step[] = [
  smallCnn(),
  classifier('dlp', 32, 100, true),
  classifier('baseline', 32, 100, true),
  classifier('so-dlse', 32, 100),
  gan(64, 16, 3),
  gan(256, 64, 9, true),
];

export async function runSteps(
  device: k.Device,
  options: { filter?: string; quick: boolean; onRow?: (row: StepRow) => void },
): Promise<StepRow[]> {
  const rows: StepRow[] = [];
  for (const step of steps) {
    if (options.filter ? !step.title.includes(options.filter) : options.quick && step.heavy) continue;
    const row = await runStep(device, step, options.quick ? 3 : 5);
    rows.push(row);
    options.onRow?.(row);
  }
  return rows;
}

async function runStep(device: k.Device, { title, batch, build }: Step, rounds: number): Promise<StepRow> {
  const { program, before, dispose } = build();
  let host = 0;
  let runs = 0;
  const run = async (): Promise<void> => {
    before?.();
    const start = performance.now();
    await program.run();
    host += performance.now() - start;
    runs++;
    await device.sync();
  };
  const startFirst = performance.now();
  await run();
  const first = performance.now() - startFirst;
  host = 0;
  runs = 0;
  const [timing] = await interleaved([{ name: title, run }], { rounds });
  const entries = await device.profile(async () => {
    before?.();
    await program.run();
  });
  const total = entries.reduce((sum, e) => sum + e.nanoseconds, 0);
  const byKernel = new Map<string, number>();
  for (const { kernel, variant, nanoseconds } of entries) {
    const key = `${kernel}/${variant}`;
    byKernel.set(key, (byKernel.get(key) ?? 0) + nanoseconds);
  }
  const dominant = [...byKernel].sort((a, b) => b[1] - a[1]).slice(0, 5);
  const { plan } = program;
  dispose();
  await device.sync();
  return {
    title,
    batch,
    median: timing.median,
    min: timing.min,
    samples: timing.samples,
    first,
    dispatches: plan?.dispatches ?? 0,
    hostMicroseconds: (1000 * host) / runs / Math.max(1, plan?.dispatches ?? 1),
    temporaryBytes: plan?.temporaryBytes ?? 0,
    unsharedBytes: plan?.unsharedBytes ?? 0,
    dominant: dominant.map(([kernel, ns]) => ({ kernel, share: ns / total })),
  };
}
