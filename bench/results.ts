import { spawnSync } from 'node:child_process';
import { arch, cpus, platform, version } from 'node:os';
import type { Device, DeviceInfo } from '../engine/index.ts';
import { cpuName } from '../pipeline/cpu.ts';
import type { Ceilings } from './ceilings.ts';
import type { HostCosts } from './host.ts';
import type { LadderRow } from './ladder.ts';
import type { HalfRow } from './precision.ts';
import type { Turns } from './quiet.ts';
import type { StepRow } from './steps.ts';
import type { SwitchRow } from './switches/measure.ts';

/** One engine on one piece of work. */
export interface PeerRow {
  readonly comparison: string;
  readonly engine: string;
  /** Milliseconds; undefined where the engine cannot do it. */
  readonly median?: number;
  readonly samples: readonly number[];
  readonly failure?: string;
}

/** Everything one run of the bench found. */
export interface Results {
  readonly command: string;
  readonly date: string;
  /** Short, with `+` when files had changed since; '' outside a checkout. */
  readonly commit: string;
  readonly adapter: DeviceInfo;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly system: string; readonly node: string };
  readonly ceilings: Ceilings;
  readonly turns: Turns;
  readonly ladder: readonly LadderRow[];
  readonly steps: readonly StepRow[];
  readonly data?: { readonly picturesPerSecond: number; readonly side: number };
  readonly peers: readonly PeerRow[];
  readonly switches: readonly SwitchRow[];
  readonly precision: readonly HalfRow[];
  readonly host?: HostCosts;
}

function commit(): string {
  const git = (...args: string[]): string => {
    const { status, stdout } = spawnSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' });
    return status === 0 ? stdout.trim() : '';
  };
  const changed = git('status', '--porcelain', '--', '../engine', '../kernels', '../models', '../bench') !== '';
  return git('rev-parse', '--short', 'HEAD') + (changed ? '+' : '');
}

export function describeRun(
  device: Device,
  command: string,
): Pick<Results, 'command' | 'date' | 'commit' | 'adapter' | 'machine'> {
  return {
    command,
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    adapter: device.info,
    machine: {
      cpu: cpuName(),
      cores: cpus().length,
      system: `${platform()} ${arch()} ${version()}`,
      node: process.versions.node,
    },
  };
}

/** `GPU` or, on a software adapter, `CPU`: no number of a software adapter is a GPU's. */
export const kindOf = (adapter: DeviceInfo): string =>
  adapter.software ? `software Vulkan on the CPU, no GPU number` : 'GPU';

/** Pieces of a run as one. What only one of them has is taken from it. */
export function joinRuns(runs: readonly Results[]): Results {
  const [first] = runs;
  const data = runs.find((run) => run.data)?.data;
  const host = runs.find((run) => run.host)?.host;
  const turns = runs.map((run) => run.turns);
  const count = turns.reduce((sum, t) => sum + t.turns, 0);
  return {
    ...first,
    ...(data && { data }),
    ...(host && { host }),
    command: runs.map((run) => run.command).join('`, `'),
    turns: {
      turns: count,
      unquiet: turns.reduce((sum, t) => sum + t.unquiet, 0),
      meanWaitMs: turns.reduce((sum, t) => sum + t.turns * t.meanWaitMs, 0) / Math.max(1, count),
      longestWaitMs: Math.max(...turns.map((t) => t.longestWaitMs)),
      foreign: turns.reduce((sum, t) => sum + t.turns * t.foreign, 0) / Math.max(1, count),
      measured: turns.every((t) => t.measured),
    },
    ladder: runs.flatMap((run) => run.ladder),
    steps: runs.flatMap((run) => run.steps),
    peers: runs.flatMap((run) => run.peers),
    switches: runs.flatMap((run) => run.switches),
    precision: runs.flatMap((run) => run.precision),
  };
}
