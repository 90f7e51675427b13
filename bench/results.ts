import { spawnSync } from 'node:child_process';
import { arch, cpus, platform, version } from 'node:os';
import type { Device, DeviceInfo } from '../engine/index.ts';
import type { Ceilings } from './ceilings.ts';
import type { LadderRow } from './ladder.ts';
import type { StepRow } from './steps.ts';

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
  readonly ladder: readonly LadderRow[];
  readonly steps: readonly StepRow[];
  readonly data?: { readonly picturesPerSecond: number; readonly side: number };
  readonly peers: readonly PeerRow[];
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
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      system: `${platform()} ${arch()} ${version()}`,
      node: process.versions.node,
    },
  };
}

/** `GPU` or, on a software adapter, `CPU`: no number of a software adapter is a GPU's. */
export const kindOf = (adapter: DeviceInfo): string =>
  adapter.software ? `software Vulkan on the CPU, no GPU number` : 'GPU';
