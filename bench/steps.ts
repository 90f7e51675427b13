/** Whole training steps as programs: milliseconds, memory, what dominates; PyTorch beside them where it is at hand. */
import * as k from '../engine/node.ts';
import { pace, yardstick } from './ceilings.ts';
import { type Contender, interleaved, type Timing } from './measure.ts';
import type { Torch } from './peers/torch.ts';
import { quiet } from './quiet.ts';
import { type Prepared, type Workload, workloads } from './workloads.ts';

/** The same step by another engine, its samples taken in turn with ours. */
export interface StepPeer {
  readonly engine: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: readonly number[];
  /** Largest relative difference of a loss from ours, in the first step from the same weights. */
  readonly lossDifference: number;
}

export interface StepMemory {
  /** Highest sum of all buffers, those outside the step included. */
  readonly peakBytes: number;
  /** Buffers of the step's temporaries, and what they would take each on its own. */
  readonly temporaryBytes: number;
  readonly unsharedBytes: number;
  /** What the forward pass keeps for the backward pass. */
  readonly savedBytes: number;
  readonly weightBytes: number;
  readonly optimizerBytes: number;
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

/** The peak beside what a step cannot do without. */
export function peakRatios(m: StepMemory): { state: number; least: number } {
  return {
    least: m.peakBytes / (m.savedBytes + m.weightBytes),
    state: m.peakBytes / (m.savedBytes + 2 * m.weightBytes + m.optimizerBytes),
  };
}

export const formatMemory = (m: StepMemory): string =>
  `peak ${mib(m.peakBytes)}: temporaries ${mib(m.temporaryBytes)} (${mib(m.unsharedBytes)} unshared), saved ${mib(m.savedBytes)}, weights ${mib(m.weightBytes)}, optimiser ${mib(m.optimizerBytes)}; ${peakRatios(m).least.toFixed(2)}× saved + weights`;

export interface StepRow {
  readonly title: string;
  readonly batch: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: readonly number[];
  /** Milliseconds of the yardstick in the same rounds. */
  readonly yardstick: number;
  /** Compiling and planning included. */
  readonly first: number;
  readonly dispatches: number;
  /** The host's time to submit one replayed step, microseconds per dispatch, and what of it is the native submission. */
  readonly hostMicroseconds: number;
  readonly submissionMicroseconds: number;
  readonly memory: StepMemory;
  /** Operations of one step as its kernels count them: a convolution's, whatever the algorithm. */
  readonly flops: number;
  /** The kernels that take the most time, with their share. */
  readonly dominant: readonly { readonly kernel: string; readonly share: number }[];
  readonly peers: readonly StepPeer[];
}

export interface StepOptions {
  readonly filter?: string;
  readonly quick: boolean;
  readonly rounds: number;
  readonly torch: readonly Torch[];
  readonly onStart?: (title: string) => void;
  readonly onSkip?: (why: string) => void;
  readonly onRow?: (row: StepRow) => Promise<void> | void;
  readonly onFailure?: (title: string, error: Error) => void;
}

/** An engine whose step takes long gets fewer rounds. */
const BUDGET_MS = 10_000;

export async function runSteps(device: k.Device, options: StepOptions): Promise<StepRow[]> {
  const rows: StepRow[] = [];
  for (const workload of workloads) {
    if (options.filter ? !workload.title.includes(options.filter) : options.quick && workload.heavy) continue;
    if (workload.gpuOnly && device.traits.software) {
      options.onSkip?.(`${workload.title}, batch ${workload.batch}: left to GPUs`);
      continue;
    }
    options.onStart?.(workload.title);
    try {
      const row = await runStep(device, workload, options);
      rows.push(row);
      await options.onRow?.(row);
    } catch (error) {
      // What does not fit this adapter is no reason to lose the rest.
      if (!(error instanceof k.DeviceError)) throw error;
      options.onFailure?.(workload.title, error);
    }
  }
  return rows;
}

/** Largest relative difference between losses of the same names. */
export function lossDifference(
  ours: Readonly<Record<string, number>>,
  theirs: Readonly<Record<string, number>>,
): number {
  const names = Object.keys(theirs);
  if (names.length === 0) throw new Error('The other engine reported no loss.');
  return Math.max(...names.map((name) => Math.abs(ours[name] - theirs[name]) / Math.max(1e-3, Math.abs(theirs[name]))));
}

async function runStep(device: k.Device, workload: Workload, options: StepOptions): Promise<StepRow> {
  await device.sync();
  device.memory.trim();
  device.memory.resetPeak();
  const step = workload.prepare(device);
  try {
    const peers: { torch: Torch; losses: Readonly<Record<string, number>> }[] = [];
    for (const torch of options.torch) {
      await torch.prepareStep(step);
      const { losses } = await torch.sample();
      peers.push({ torch, losses });
    }
    const startFirst = performance.now();
    await step.run();
    const first = performance.now() - startFirst;
    const ours = await step.losses();
    const { peakBytes } = device.snapshot(); // before anything of the bench itself is there
    step.host(); // tracing and planning
    await quiet.settleStart();
    const contenders: Contender[] = [
      { name: 'kindergrad', run: () => step.run() },
      ...peers.map(({ torch }) => ({
        name: torch.name,
        run: async () => ({ ownMilliseconds: (await torch.sample()).milliseconds }),
      })),
    ];
    const reference = yardstick(device);
    const [timing, ...rest] = await interleaved([...contenders, reference], {
      rounds: options.rounds,
      leastRounds: 3,
      budgetMs: BUDGET_MS,
      warm: true,
      ...pace(device, reference),
    });
    reference.dispose();
    const others = rest.slice(0, -1);
    const [{ median: yardstickMs }] = rest.slice(-1);
    const { plan } = step.program;
    const { all, submission } = step.host();
    const each = (milliseconds: number): number => (1000 * milliseconds) / Math.max(1, plan?.dispatches ?? 1);
    return {
      title: workload.title,
      batch: workload.batch,
      ...spread(timing),
      yardstick: yardstickMs,
      first,
      dispatches: plan?.dispatches ?? 0,
      hostMicroseconds: each(all),
      submissionMicroseconds: each(submission),
      memory: {
        peakBytes,
        temporaryBytes: plan?.temporaryBytes ?? 0,
        unsharedBytes: plan?.unsharedBytes ?? 0,
        savedBytes: plan?.savedBytes ?? 0,
        weightBytes: step.weightBytes,
        optimizerBytes: step.optimizerBytes,
      },
      ...(await profiled(device, step)),
      peers: others.map((other, i) => ({
        engine: other.name,
        ...spread(other),
        lossDifference: lossDifference(ours, peers[i].losses),
      })),
    };
  } finally {
    step.dispose();
    await device.sync();
  }
}

const spread = ({ median, min, max, samples }: Timing) => ({ median, min, max, samples });

async function profiled(device: k.Device, step: Prepared): Promise<Pick<StepRow, 'flops' | 'dominant'>> {
  const entries = await device.profile(async () => void (await step.program.run()));
  const total = entries.reduce((sum, e) => sum + e.nanoseconds, 0);
  const byKernel = new Map<string, number>();
  for (const { kernel, variant, nanoseconds } of entries) {
    const key = `${kernel}/${variant}`;
    byKernel.set(key, (byKernel.get(key) ?? 0) + nanoseconds);
  }
  const sorted = [...byKernel].sort((a, b) => b[1] - a[1]).slice(0, 5);
  return {
    flops: entries.reduce((sum, e) => sum + e.flops, 0),
    dominant: sorted.map(([kernel, ns]) => ({ kernel, share: ns / total })),
  };
}
