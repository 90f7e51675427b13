/** Every kernel's ladder: each rung that runs here, its speed against the measured ceilings, its error against the naive one. */
import * as k from '../engine/node.ts';
import type { Storage } from '../engine/runtime/memory.ts';
import type { Kernel } from '../kernels/kernel.ts';
import type { Ceilings } from './ceilings.ts';
import { interleaved } from './measure.ts';

/** One shape of one or more kernels: `body` runs the operations that use them. */
interface Case {
  readonly title: string;
  readonly kernels: readonly string[];
  /** Largest relative size of the work, for the quick run to leave out. */
  readonly heavy?: boolean;
  readonly body: () => void;
}

export interface LadderRow {
  readonly title: string;
  readonly kernel: string;
  readonly variant: string;
  /** Milliseconds. */
  readonly median: number;
  readonly min: number;
  readonly samples: readonly number[];
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

const generator = new k.Generator(1);
const normal = (...shape: number[]): k.Tensor =>
  k.tensor(generator.normal(k.sizeOf(shape)), shape, { requiresGrad: true });
const positive = (batch: number, d: number): k.Tensor => {
  const x = normal(batch, 2 * d, d);
  return k.noGrad(() => k.covariance(x, { eps: 1e-4 })).keep();
};
const back = (y: k.Tensor): void =>
  k.backward(
    y,
    k.noGrad(() => k.affine(y, 0.5, 0.1)),
  );

const conv = (channels: number, side: number, batch = 8): Case => ({
  title: `conv 3×3 ${channels}@${side} N${batch}`,
  kernels: ['conv2d', 'conv2dInputGradient', 'conv2dWeightGradient'],
  heavy: channels > 128,
  body: () =>
    back(k.conv2d(normal(batch, side, side, channels), normal(3, 3, channels, channels), undefined, { padding: 1 })),
});

const cases: readonly Case[] = [
  { title: 'matmul 1024³', kernels: ['matmul'], body: () => void k.matmul(normal(1024, 1024), normal(1024, 1024)) },
  {
    title: 'matmul 128×16384×2000 (FC)',
    kernels: ['matmul'],
    heavy: true,
    body: () => void k.matmul(normal(128, 16384), normal(16384, 2000)),
  },
  {
    title: 'matmul 32 × 64×144×256',
    kernels: ['matmul'],
    body: () => void k.matmul(normal(32, 64, 144), normal(32, 144, 256)),
  },
  conv(64, 56),
  conv(128, 28),
  conv(256, 28),
  {
    title: 'conv 3×3 3→64@100 N8 (first layer)',
    kernels: ['conv2d', 'conv2dWeightGradient'],
    body: () => back(k.conv2d(normal(8, 100, 100, 3), normal(3, 3, 3, 64), undefined, { padding: 1 })),
  },
  {
    title: 'conv 4×4 stride 2 64→128@64 N4',
    kernels: ['conv2d', 'conv2dInputGradient', 'conv2dWeightGradient'],
    body: () => back(k.conv2d(normal(4, 64, 64, 64), normal(4, 4, 64, 128), undefined, { stride: 2, padding: 1 })),
  },
  {
    title: 'conv depthwise 3×3 128@56 N8',
    kernels: ['conv2d'],
    body: () => void k.conv2d(normal(8, 56, 56, 128), normal(3, 3, 1, 128), undefined, { padding: 1, groups: 128 }),
  },
  { title: 'add 4M', kernels: ['binary'], body: () => void k.add(normal(1 << 22), normal(1 << 22)) },
  { title: 'relu 4M', kernels: ['unary'], body: () => void k.relu(normal(1 << 22)) },
  { title: 'tanh 1M', kernels: ['unary'], body: () => void k.tanh(normal(1 << 20)) },
  { title: 'sum 4096×1024 over rows', kernels: ['reduce'], body: () => void k.sum(normal(4096, 1024), [0]) },
  {
    title: 'batch norm + ReLU 8×56×56×64',
    kernels: ['normStatistics', 'normApply', 'normGradientSums', 'normGradient'],
    body: () => back(k.batchNorm(normal(8, 56, 56, 64), { bias: normal(64), training: true, activation: 'relu' })),
  },
  {
    title: 'max pool 2×2 8×56×56×64',
    kernels: ['maxPool', 'maxPoolBackward'],
    body: () => back(k.maxPool2d(normal(8, 56, 56, 64), { kernelSize: 2 })),
  },
  { title: 'softmax 4096×1000', kernels: ['softmax'], body: () => void k.softmax(normal(4096, 1000)) },
  { title: 'eigh 32 × 64×64', kernels: ['eigh'], body: () => void k.noGrad(() => k.logEig(positive(32, 64))) },
  {
    title: 'eigh 8 × 128×128',
    kernels: ['eigh'],
    heavy: true,
    body: () => void k.noGrad(() => k.logEig(positive(8, 128))),
  },
];

interface Captured {
  readonly kernel: Kernel;
  readonly buffers: Record<string, Storage>;
  readonly params: Record<string, number>;
}

/** Runs `body` and keeps the kernel calls it made, with their buffers alive. */
function capture(device: k.Device, body: () => void): Captured[] {
  const calls: Captured[] = [];
  const run = device.run.bind(device);
  device.run = (kernel, buffers, params) => {
    const kept = Object.entries(buffers).flatMap(([name, s]) => (s ? [[name, (s as Storage).retain()]] : []));
    calls.push({
      kernel: kernel as unknown as Kernel,
      buffers: Object.fromEntries(kept),
      params: params as Record<string, number>,
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

const release = (calls: readonly Captured[]): void => {
  for (const { buffers } of calls) for (const storage of Object.values(buffers)) storage.release();
};

const outputsOf = ({ kernel, buffers }: Captured): Storage[] =>
  Object.entries(kernel.bindings).flatMap(([name, access]) =>
    access === 'write' && buffers[name] ? [buffers[name]] : [],
  );

/** Rungs of eigh give eigenvalues in any order, and of equal ones any eigenvectors: what can be compared is the sorted values. */
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
  return call.kernel.name === 'eigh' ? [sortedValues(out[0], call.params.n)] : out;
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
  options: { filter?: string; quick: boolean; onRow?: (row: LadderRow) => void },
): Promise<LadderRow[]> {
  const rows: LadderRow[] = [];
  const { filter, quick } = options;
  for (const one of cases) {
    const wanted = !filter || one.title.includes(filter) || one.kernels.some((name) => name.includes(filter));
    if (!wanted || (quick && one.heavy)) continue;
    const calls = capture(device, one.body);
    await device.sync();
    for (const name of one.kernels) {
      const call = calls.find((c) => c.kernel.name === name);
      if (!call) throw new Error(`${one.title} does not use ${name}`);
      for (const row of await climb(device, ceilings, one.title, call)) {
        rows.push(row);
        options.onRow?.(row);
      }
    }
    release(calls);
    await device.sync();
  }
  return rows;
}

/** Milliseconds of a first run above which a rung is not timed again. */
const SLOW_MS = 2500;

async function climb(device: k.Device, ceilings: Ceilings, title: string, call: Captured): Promise<LadderRow[]> {
  const { kernel, buffers, params } = call;
  const { variant } = await device.tuner.choose({ kind: 'call', kernel, buffers, params }, params);
  const chosen = variant.name;
  const variants = device.tuner.supported(kernel, params);
  const cost = kernel.cost(params);
  const run = async (variant: string): Promise<void> => {
    device.tuner.force(kernel.name, variant);
    device.run(kernel, buffers, params);
    await device.sync();
  };
  const errors: number[] = [];
  let truth: Float32Array[] | undefined;
  const firsts: number[] = [];
  for (const { name } of variants) {
    const start = performance.now();
    await run(name);
    firsts.push(performance.now() - start);
    const found = await readAll(device, call);
    truth ??= found;
    errors.push(difference(found, truth));
  }
  // A rung that takes seconds is not worth five rounds: one sample says enough.
  const quickEnough = variants.filter((_, i) => firsts[i] < SLOW_MS);
  const timed = new Map(
    (await interleaved(quickEnough.map(({ name }) => ({ name, run: () => run(name) })))).map((t) => [t.name, t]),
  );
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
      first: firsts[i],
      gflops,
      gbps,
      ceiling: Math.max(gflops / ceilings.gflops, gbps / ceilings.gbps),
      error: errors[i],
      chosen: name === chosen,
    };
  });
}
