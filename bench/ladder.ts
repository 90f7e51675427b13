/** Every kernel's ladder: each rung that runs here, its speed against the measured ceilings, its error against the naive one. */
import * as k from '../engine/node.ts';
import { numericParams } from '../engine/runtime/commands.ts';
import type { Storage } from '../engine/runtime/memory.ts';
import type { Kernel } from '../kernels/kernel.ts';
import { type Ceilings, pace, yardstick } from './ceilings.ts';
import { cases } from './ladder-cases.ts';
import { type Contender, interleaved } from './measure.ts';

export interface LadderRow {
  readonly title: string;
  readonly kernel: string;
  readonly variant: string;
  /** Milliseconds. */
  readonly median: number;
  readonly min: number;
  readonly samples: readonly number[];
  /** Milliseconds of the yardstick in the same rounds. */
  readonly yardstick: number;
  readonly first: number;
  readonly gflops: number;
  readonly gbps: number;
  /** Share of the ceiling that is nearer, 0 to 1. */
  readonly ceiling: number;
  /** Largest difference from the naive variant, relative to its largest value. */
  readonly error: number;
  /** What runs when nothing is forced. */
  readonly chosen: boolean;
}

export interface Captured {
  readonly kernel: Kernel;
  readonly buffers: Record<string, Storage>;
  readonly params: Record<string, number>;
}

/** Runs `body` and keeps the kernel calls it made, with their buffers alive. */
export function capture(device: k.Device, body: () => void): Captured[] {
  const calls: Captured[] = [];
  const run = device.run.bind(device);
  device.run = (kernel, buffers, params) => {
    const kept = Object.entries(buffers).flatMap(([name, s]) => (s ? [[name, (s as Storage).retain()]] : []));
    calls.push({
      kernel: kernel as unknown as Kernel,
      buffers: Object.fromEntries(kept),
      // Host scalars (a learning rate, a random counter) as they are now.
      params: numericParams({ kind: 'call', kernel: kernel as unknown as Kernel, buffers: {}, params }),
    });
    run(kernel, buffers, params);
  };
  try {
    k.scope(body);
  } finally {
    device.run = run;
  }
  return calls;
}

export const release = (calls: readonly Captured[]): void => {
  for (const { buffers } of calls) for (const storage of Object.values(buffers)) storage.release();
};

const outputsOf = ({ kernel, buffers }: Captured): Storage[] =>
  Object.entries(kernel.bindings).flatMap(([name, access]) =>
    access !== 'read' && buffers[name] ? [buffers[name]] : [],
  );

/** What a call changes in place, as it stands: each rung must start from it. */
async function keepUpdated(device: k.Device, { kernel, buffers }: Captured): Promise<() => void> {
  const kept: { storage: Storage; bytes: Uint8Array<ArrayBuffer> }[] = [];
  for (const [name, access] of Object.entries(kernel.bindings)) {
    const storage = buffers[name];
    if (access === 'update' && storage) {
      const bytes = new Uint8Array(storage.bytes);
      await device.read(storage, bytes);
      kept.push({ storage, bytes });
    }
  }
  return () => {
    for (const { storage, bytes } of kept) device.upload(storage, bytes);
  };
}

/** Rungs of eigh and row-svd give eigenvalues in any order, and of equal ones any eigenvectors: what can be compared is the sorted values. */
const sortedValues = (values: Float32Array, n: number): Float32Array => {
  const out = values.slice();
  for (let at = 0; at + n <= out.length; at += n) out.subarray(at, at + n).sort();
  return out;
};

async function readAll(device: k.Device, call: Captured): Promise<Float32Array[]> {
  const out: Float32Array[] = [];
  for (const storage of outputsOf(call)) {
    const values = new Float32Array(storage.bytes / 4);
    await device.read(storage, new Uint8Array(values.buffer));
    out.push(values);
  }
  const length = { eigh: call.params.n, 'row-svd': call.params.rows }[call.kernel.name];
  return length === undefined ? out : [sortedValues(out[0], length)];
}

function difference(found: readonly Float32Array[], truth: readonly Float32Array[]): number {
  let worst = 0;
  for (const [i, expected] of truth.entries()) {
    let scale = 0;
    let largest = 0;
    for (let j = 0; j < expected.length; j++) {
      scale = Math.max(scale, Math.abs(expected[j]));
      const d = Math.abs(found[i][j] - expected[j]);
      if (!(d <= largest)) largest = d;
    }
    worst = Math.max(worst, scale > 0 ? largest / scale : largest);
  }
  return worst;
}

/** @param filter a word that the title or the kernel must contain */
export async function runLadder(
  device: k.Device,
  ceilings: Ceilings,
  options: { filter?: string; quick: boolean; rounds: number; onRow?: (row: LadderRow) => Promise<void> },
): Promise<LadderRow[]> {
  const rows: LadderRow[] = [];
  const { filter, quick, rounds } = options;
  for (const one of cases) {
    const wanted = !filter || one.title.includes(filter) || one.kernels.some((name) => name.includes(filter));
    if (!wanted || (quick && one.heavy) || (device.traits.software ? one.gpuOnly : one.softwareOnly)) continue;
    const calls = capture(device, one.make());
    await device.sync();
    for (const name of one.kernels) {
      const call = calls.find((c) => c.kernel.name === name);
      if (!call) throw new Error(`${one.title} does not use ${name}`);
      for (const row of await climb(device, ceilings, one.title, call, rounds)) {
        rows.push(row);
        await options.onRow?.(row);
      }
    }
    release(calls);
    await device.sync();
  }
  return rows;
}

/** What a run on a GPU should take: beside it the submission and the wait for it, 0.3 ms on an H200, are little. */
const GPU_RUN_MS = 15;
const MOST_REPEATS = 512;

/** A rung as a contender. On a GPU a run repeats the kernel in one submission and counts its share of the time. */
async function repeated(
  device: k.Device,
  name: string,
  run: (name: string, times: number) => Promise<void>,
): Promise<Contender> {
  if (device.traits.software) return { name, run: () => run(name, 1) };
  const timed = async (times: number): Promise<number> => {
    const start = performance.now();
    await run(name, times);
    return performance.now() - start;
  };
  const times = Math.min(MOST_REPEATS, Math.max(1, Math.ceil(GPU_RUN_MS / (await timed(1)))));
  return { name, run: async () => ({ ownMilliseconds: (await timed(times)) / times }) };
}

/** Milliseconds of a first run above which a rung is not timed again. */
const SLOW_MS = 1000;

/** All variants of one call, in turn. */
export async function climb(
  device: k.Device,
  ceilings: Ceilings,
  title: string,
  call: Captured,
  rounds = 5,
): Promise<LadderRow[]> {
  const { kernel, buffers, params } = call;
  const { variant } = await device.tuner.choose({ kind: 'call', kernel, buffers, params }, params);
  const chosen = variant.name;
  const variants = device.tuner.supported(kernel, params);
  const cost = kernel.cost(params);
  const run = async (variant: string, times = 1): Promise<void> => {
    device.tuner.force(kernel.name, variant);
    for (let i = 0; i < times; i++) device.run(kernel, buffers, params);
    await device.sync();
  };
  const errors: number[] = [];
  let truth: Float32Array[] | undefined;
  const firsts: number[] = [];
  const restore = await keepUpdated(device, call);
  for (const { name } of variants) {
    restore();
    const start = performance.now();
    await run(name);
    firsts.push(performance.now() - start);
    const found = await readAll(device, call);
    truth ??= found;
    errors.push(difference(found, truth));
  }
  // A rung that takes seconds is not worth five rounds: one sample says enough.
  const quickEnough = variants.filter((_, i) => firsts[i] < SLOW_MS);
  const rungs: Contender[] = [];
  for (const { name } of quickEnough) rungs.push(await repeated(device, name, run));
  const reference = yardstick(device);
  const all = await interleaved([...rungs, reference], { rounds, ...pace(device, reference) });
  reference.dispose();
  const timed = new Map(all.slice(0, -1).map((t) => [t.name, t]));
  const { median: yardstickMs } = all[all.length - 1];
  const timings = variants.map(({ name }, i) => {
    return timed.get(name) ?? { name, median: firsts[i], min: firsts[i], samples: [firsts[i]] };
  });
  device.tuner.force(kernel.name, undefined);
  return timings.map(({ name, median, min, samples }, i) => {
    const gflops = cost.flops / median / 1e6;
    const gbps = cost.bytes / median / 1e6;
    return {
      title,
      kernel: kernel.name,
      variant: name,
      median,
      min,
      samples,
      yardstick: yardstickMs,
      first: firsts[i],
      gflops,
      gbps,
      ceiling: Math.max(gflops / ceilings.gflops, gbps / ceilings.gbps),
      error: errors[i],
      chosen: name === chosen,
    };
  });
}
