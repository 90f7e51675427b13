/** What the project wants to reach, as ratios and shares that a run measures itself. */
import type { DeviceInfo } from '../engine/index.ts';
import { convolutions, largeConvolution } from './peers/contenders.ts';
import type { Results } from './results.ts';
import { peakRatios } from './steps.ts';

/** A number from a run; undefined where the run did not measure it. */
type Measure = (results: Results) => number | undefined;

export interface Goal {
  readonly name: string;
  readonly target: number;
  /** The measured number must not be above the target; else not below. */
  readonly atMost?: boolean;
  readonly unit: '×' | '%';
  /** The kind of adapter that it is about; absent: any. */
  readonly on?: 'cpu' | 'gpu';
  readonly measure: Measure;
}

/** A goal beside what a run measured. */
export interface Verdict {
  readonly goal: Goal;
  readonly measured: number | undefined;
  readonly reached: boolean | undefined;
}

const OURS = 'kindergrad';
const TF = 'TensorFlow.js';
const JAX = 'jax-js';
const TORCH = 'PyTorch';

/** PyTorch with TF32 rounds its operands: never the engine that an f32 goal means. */
const isEngine = (name: string, engine: string): boolean => name.startsWith(engine) && !name.includes('TF32 on');

/** Of an engine that was measured with several settings, the least. */
const least = (rows: readonly { readonly engine: string; readonly median?: number }[], engine: string) => {
  const medians = rows.flatMap((row) => (isEngine(row.engine, engine) ? (row.median ?? []) : []));
  return medians.length > 0 ? Math.min(...medians) : undefined;
};

const median = ({ peers }: Results, comparison: string, engine: string): number | undefined =>
  least(
    peers.filter((p) => p.comparison === comparison),
    engine,
  );

const ratio = (theirs: number | undefined, ours: number | undefined): number | undefined =>
  theirs === undefined || ours === undefined ? undefined : theirs / ours;

/** The speed of our `comparison` as a multiple of an engine's, which may be measured on another piece of work. */
const beside = (comparison: string, engine: string, target: number, theirs = comparison): Goal => ({
  name: `${comparison}: as fast as ${engine}${theirs === comparison ? '' : `’s ${theirs}`}`,
  target,
  unit: '×',
  ...(engine === TORCH && { on: 'cpu' }),
  measure: (results) => ratio(median(results, theirs, engine), median(results, comparison, OURS)),
});

/** A training step as a multiple of PyTorch's speed. */
const step = (title: string, batch: number, target: number, on: 'cpu' | 'gpu'): Goal => ({
  name: `${title} step, batch ${batch}: as fast as PyTorch f32`,
  target,
  unit: '×',
  on,
  measure: ({ steps }) => {
    const row = steps.find((s) => s.title === title && s.batch === batch);
    return ratio(row && least(row.peers, TORCH), row?.median);
  },
});

/** A share of the measured ceiling, of the variant that runs by itself. */
const share = (title: string, kernel: string, target: number): Goal => ({
  name: `${title}, ${kernel}: share of the ceiling`,
  target,
  unit: '%',
  on: 'gpu',
  measure: ({ ladder }) => ladder.find((r) => r.title === title && r.kernel === kernel && r.chosen)?.ceiling,
});

const passes = ['forward', 'forward + input gradient', 'forward + weight gradient'] as const;
const conv = ([channels, side]: readonly [number, number], pass: string): string => `conv ${channels}@${side} ${pass}`;
const logEig = 'log-eig 32 × 64×64 forward + backward';

export const goals: readonly Goal[] = [
  ...[TF, JAX].map((engine) => beside('matmul 1024³', engine, 10)),
  ...convolutions.flatMap((size) =>
    passes.flatMap((pass) => [TF, JAX].map((engine) => beside(conv(size, pass), engine, 8))),
  ),
  ...passes.map((pass) => beside(conv(convolutions[2], pass), TORCH, 0.5)),
  ...passes.map((pass) => beside(conv(largeConvolution, pass), TORCH, 0.8)),
  beside('small CNN step', JAX, 4),
  step('small CNN 28×28', 64, 0.5, 'cpu'),
  step('so-dlse 100×100', 32, 0.5, 'cpu'),
  beside(logEig, JAX, 15, 'eigh 32 × 64×64'),
  {
    name: 'so-dlse 100×100 step, batch 32: peak memory over saved values and weights',
    target: 1.3,
    atMost: true,
    unit: '×',
    measure: ({ steps }) => {
      const row = steps.find((s) => s.title === 'so-dlse 100×100' && s.batch === 32);
      return row && peakRatios(row.memory).least;
    },
  },
  share('matmul 4096³', 'matmul', 0.65),
  share('conv 3×3 256@56 N32', 'conv2d', 0.55),
  share('conv 3×3 256@56 N32', 'conv2dInputGradient', 0.55),
  share('conv 3×3 256@56 N32', 'conv2dWeightGradient', 0.55),
  share('add 64M', 'binary', 0.75),
  step('so-dlse 100×100', 128, 1 / 1.5, 'gpu'),
  step('vfeso-dlse from pool4 features', 128, 1 / 1.5, 'gpu'),
];

/** Comparisons on which a goal stands: no verdict on a single sample. */
export const decisive: ReadonlySet<string> = new Set([
  'matmul 1024³',
  ...[...convolutions, largeConvolution].flatMap((size) => passes.map((pass) => conv(size, pass))),
  'small CNN step',
  'eigh 32 × 64×64',
  logEig,
]);

/** The goals that this kind of adapter has, with what the run measured of them. */
export function verdicts(results: Results): Verdict[] {
  const kind = kindOfGoals(results.adapter);
  return goals
    .filter(({ on }) => on === undefined || on === kind)
    .map((goal) => {
      const measured = goal.measure(results);
      const reached =
        measured === undefined ? undefined : goal.atMost ? measured <= goal.target : measured >= goal.target;
      return { goal, measured, reached };
    });
}

const kindOfGoals = ({ software }: DeviceInfo): 'cpu' | 'gpu' => (software ? 'cpu' : 'gpu');

const amount = (value: number, unit: Goal['unit']): string =>
  unit === '%' ? `${(100 * value).toFixed(0)} %` : `${value.toFixed(2)}×`;

/** Goal, target, measured, reached, as words. */
export function verdictCells({ goal, measured, reached }: Verdict): string[] {
  return [
    goal.name,
    `${goal.atMost ? '≤' : '≥'} ${amount(goal.target, goal.unit)}`,
    measured === undefined ? '–' : amount(measured, goal.unit),
    reached === undefined ? '–' : reached ? 'yes' : '**no**',
  ];
}
