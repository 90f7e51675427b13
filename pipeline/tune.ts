import { type Device, openDevice, tensor } from '../engine/node.ts';
import {
  type ClassifierName,
  classifierConfig,
  createModel,
  createObjective,
  createOptimizer,
  trainStep,
} from '../models/index.ts';

export interface TuneOptions {
  readonly batch: number;
  readonly modelOptions: Record<string, unknown>;
  /** Measures again what is known already. */
  readonly retune: boolean;
}

/** A training step on pictures of nothing. */
export function classifierStep(
  name: ClassifierName,
  options: Pick<TuneOptions, 'batch' | 'modelOptions'>,
): { run: () => Promise<unknown>; dispose: () => void } {
  const { imageSize, classes } = classifierConfig(name, options.modelOptions);
  const model = createModel(name, options.modelOptions);
  const objective = createObjective(model);
  const size = options.batch * imageSize * imageSize * 3;
  const images = tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
    [options.batch, imageSize, imageSize, 3],
  );
  const labels = tensor(
    Int32Array.from({ length: options.batch }, (_, i) => i % classes),
    [options.batch],
  );
  const optimizer = createOptimizer(model, objective);
  const step = trainStep({ model, objective, optimizer, batches: [() => ({ images, labels })] });
  return {
    run: () => step.run(),
    dispose: () => {
      for (const part of [step, optimizer, objective, model, images, labels]) part.dispose();
    },
  };
}

/** Runs one training step of a model with the tuner measuring every product and convolution in it. */
export async function tuneModel(
  name: ClassifierName,
  options: TuneOptions,
): Promise<{ device: Device; measured: readonly string[]; before: number; after: number }> {
  const device = await openDevice();
  const seconds = async (): Promise<number> => {
    const step = classifierStep(name, options);
    await step.run(); // plans, compiles and, where it is on, measures
    await device.sync();
    // The fastest run of a second: a single one may be several times as slow when the machine has other work.
    let fastest = Number.POSITIVE_INFINITY;
    const begun = performance.now();
    for (let start = begun; start < begun + 1000; ) {
      await step.run();
      await device.sync();
      const end = performance.now();
      fastest = Math.min(fastest, end - start);
      start = end;
    }
    step.dispose();
    return fastest / 1000;
  };
  const { mode } = device.tuner;
  device.tuner.mode = 'off';
  const before = await seconds();
  device.tuner.mode = options.retune ? 'all' : 'missing';
  await seconds();
  device.tuner.mode = 'known';
  const after = await seconds();
  device.tuner.mode = mode;
  return { device, measured: device.tuner.log, before, after };
}
