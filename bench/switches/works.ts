/** What the switches are measured on, each a function that makes the work ready in the process it is called in. */
import * as k from '../../engine/node.ts';
import { createModel } from '../../models/index.ts';
import { presetModelOptions } from '../../pipeline/train/config.ts';
import { classifier, gan, smallCnn, type Workload } from '../workloads.ts';

/** A work whose results can be compared between two processes: the same inputs, weights and draws in both. */
export interface Work {
  /** Runs once and waits for the device. */
  run(): Promise<unknown>;
  /** Of the program; undefined where it is none (PROGRAM=0). */
  plan(): k.ProgramPlan | undefined;
  /** What it has computed so far: losses with the weights, or logits. Bytes are compared, numbers give the largest error. */
  results(): Promise<{ readonly bytes: readonly Uint8Array[]; readonly numbers: readonly number[] }>;
}

const step =
  (workload: Workload) =>
  (device: k.Device): Work => {
    const prepared = workload.prepare(device);
    return {
      run: () => prepared.run(),
      plan: () => prepared.program.plan,
      results: async () => {
        const numbers = Object.values(await prepared.losses());
        const { tensors } = await prepared.hand();
        return { numbers, bytes: [...tensors.values()].map(({ data }) => data) };
      },
    };
  };

const inference = (device: k.Device): Work => {
  const model = createModel('so-dlse', {}, 1).eval();
  const images = k.tensor(new k.Generator(7).normal(8 * 100 * 100 * 3), [8, 100, 100, 3]);
  const program = k.program(() => k.noGrad(() => model.classify(images).logits));
  let logits: k.Tensor | undefined;
  return {
    run: async () => {
      logits = await program.run();
      await device.sync();
    },
    plan: () => program.plan,
    results: async () => {
      const values = (await logits?.floats()) ?? new Float32Array();
      return { numbers: [...values], bytes: [new Uint8Array(values.buffer)] };
    },
  };
};

/** x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))): what a user writes who misses an activation. */
const gelu = (device: k.Device): Work => {
  const x = k.tensor(new k.Generator(7).normal(1 << 22), [1 << 22]);
  const program = k.program(() => {
    const inner = k.mul(k.add(x, k.mul(k.pow(x, 3), 0.044715)), Math.sqrt(2 / Math.PI));
    return k.mul(k.mul(x, 0.5), k.add(k.tanh(inner), 1));
  });
  let y: k.Tensor | undefined;
  return {
    run: async () => {
      y = await program.run();
      await device.sync();
    },
    plan: () => program.plan,
    results: async () => {
      const values = (await y?.floats()) ?? new Float32Array();
      return { numbers: [...values.subarray(0, 1000)], bytes: [new Uint8Array(values.buffer)] };
    },
  };
};

export const works = {
  'so-dlse step 100×100, batch 32': step(classifier('so-dlse', 'so-dlse', 32)),
  'so-dlse step 100×100, batch 4': step(classifier('so-dlse', 'so-dlse', 4)),
  'so-dlse step, preset smoke, batch 32': step(
    classifier('so-dlse', 'so-dlse', 32, presetModelOptions('so-dlse', 'smoke')),
  ),
  'small CNN step 28×28': step(smallCnn()),
  'CycleGAN step 64×64': step(gan(64, 16, 3)),
  'so-dlse inference, 8 pictures': inference,
  'GELU by its formula, 4M numbers': gelu,
} as const satisfies Record<string, (device: k.Device) => Work>;

export type WorkName = keyof typeof works;
