/** Half precision: every variant that rounds operands to halves, beside the fastest in f32, on the same inputs in turn. */
import * as k from '../engine/node.ts';
import type { Ceilings } from './ceilings.ts';
import { capture, climb, type LadderRow, release } from './ladder.ts';
import { cases } from './ladder-cases.ts';

export interface HalfRow {
  readonly title: string;
  readonly kernel: string;
  readonly f32: Rung;
  readonly half: Rung;
  /** Largest difference from the naive f32 variant, relative to its largest value. */
  readonly f32Error: number;
  readonly halfError: number;
  /** Whether `medium` runs a half variant here when nothing is forced. */
  readonly chosen: boolean;
}

interface Rung {
  readonly variant: string;
  readonly median: number;
  readonly samples: readonly number[];
  readonly gflops: number;
}

/** Where Winograd or packed products compete with halves, and where they do not. */
const works: readonly (readonly [title: string, kernel: string])[] = [
  ['matmul 1024³', 'matmul'],
  ['conv 3×3 64@56 N8', 'conv2dInputGradient'],
  ['conv 3×3 128@28 N8', 'conv2d'],
  ['conv 3×3 128@28 N8', 'conv2dWeightGradient'],
  ['conv 4×4 stride 2 64→128@64 N4', 'conv2d'],
];

const rungOf = ({ variant, median, samples, gflops }: LadderRow): Rung => ({ variant, median, samples, gflops });

/** The fastest f32 row beside each half row. */
export function besideF32(rows: readonly LadderRow[], halves: ReadonlySet<string>): HalfRow[] {
  const fastest = rows.filter((row) => !halves.has(row.variant)).reduce((a, b) => (b.median < a.median ? b : a));
  return rows
    .filter((row) => halves.has(row.variant))
    .map((row) => ({
      title: row.title,
      kernel: row.kernel,
      f32: rungOf(fastest),
      half: rungOf(row),
      f32Error: fastest.error,
      halfError: row.error,
      chosen: row.chosen,
    }));
}

/** @returns nothing where no variant in halves runs on this adapter */
export async function measurePrecision(
  device: k.Device,
  ceilings: Ceilings,
  options: { filter?: string; rounds: number; onRow: (row: HalfRow) => Promise<void> | void },
): Promise<void> {
  const before = k.getFloat32MatmulPrecision();
  k.setFloat32MatmulPrecision('medium');
  try {
    for (const [title, kernel] of works) {
      if (options.filter && !title.includes(options.filter) && options.filter !== 'precision') continue;
      const found = cases.find((one) => one.title === title);
      if (!found) throw new Error(`No case of the ladder is called ${title}.`);
      const calls = capture(device, found.make());
      await device.sync();
      const call = calls.find((one) => one.kernel.name === kernel);
      if (!call) throw new Error(`${title} does not use ${kernel}`);
      const exact = device.tuner.supported(call.kernel, { ...call.params, half: 0 });
      const all = device.tuner.supported(call.kernel, call.params);
      const halves = new Set(all.filter((variant) => !exact.includes(variant)).map(({ name }) => name));
      if (halves.size > 0) {
        for (const row of besideF32(await climb(device, ceilings, title, call, options.rounds), halves))
          await options.onRow(row);
      }
      release(calls);
    }
  } finally {
    k.setFloat32MatmulPrecision(before);
  }
}
