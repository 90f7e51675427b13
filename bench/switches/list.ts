/** Every switch of docs/environment.md that turns a speed-up off, or why it is not measured. */
import type { WorkName } from './works.ts';

export interface Switch {
  readonly variable: string;
  /** The slower setting; the other is the default. */
  readonly off: string;
  readonly work: WorkName;
  /** The work of the quick run, where `work` takes long. */
  readonly quickWork?: WorkName;
  /** `first`: the first run of a fresh process with an empty driver cache, instead of a run among many. */
  readonly times?: 'first';
  /** Only software adapters have what it switches. */
  readonly softwareOnly?: boolean;
}

const step = {
  work: 'so-dlse step 100×100, batch 32',
  quickWork: 'so-dlse step 100×100, batch 4',
} as const;

export const switches: readonly Switch[] = [
  { variable: 'PROGRAM', off: '0', work: 'CycleGAN step 64×64' },
  { variable: 'REUSE', off: '0', work: 'CycleGAN step 64×64' },
  { variable: 'GROUP', off: '0', work: 'CycleGAN step 64×64' },
  { variable: 'FUSE_NORM', off: '0', work: 'CycleGAN step 64×64', softwareOnly: true },
  { variable: 'BATCH_PASSES', off: '0', work: 'CycleGAN step 64×64' },
  { variable: 'CHAINS', off: '0', work: 'GELU by its formula, 4M numbers' },
  { variable: 'FOLD', off: '0', work: 'so-dlse inference, 8 pictures' },
  { variable: 'WINOGRAD', off: '0', ...step },
  { variable: 'TEXTURES', off: '0', ...step, softwareOnly: true },
  { variable: 'FUSE_POOL', off: '0', ...step },
  { variable: 'FUSE_POOL', off: '0', work: 'small CNN step 28×28' },
  { variable: 'PACE', off: '0', work: 'small CNN step 28×28' },
  { variable: 'POSTPONE', off: '0', ...step },
  { variable: 'IN_PLACE', off: '0', ...step },
  { variable: 'RECOMPUTE', off: '0', ...step },
  { variable: 'COVARIANCE_PATH', off: 'full', ...step },
  { variable: 'TUNE', off: '0', work: 'so-dlse step, preset smoke, batch 32' },
  { variable: 'WARM', off: '0', work: 'CycleGAN step 64×64', times: 'first', softwareOnly: true },
  { variable: 'WARM', off: '0', ...step, times: 'first', softwareOnly: true },
];

/** Documented settings that are no off switch of a speed-up, or stand elsewhere. */
export const notMeasured: Readonly<Record<string, string>> = {
  MATMUL_PRECISION: 'changes what is computed; see “Half precision”',
  SUBGROUP_MATRIX: 'serves `MATMUL_PRECISION=medium` alone; see “Half precision”',
  KERNEL: 'forces a variant; the kernel ladder times every one',
};
