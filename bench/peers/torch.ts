import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median } from '../measure.ts';

export interface TorchResult {
  readonly name: string;
  readonly medians: ReadonlyMap<string, number>;
  readonly samples: ReadonlyMap<string, readonly number[]>;
}

const pythons = ['python3', '/usr/bin/python3'];

/** Runs measure_torch.py in a process of its own; undefined where no python3 has torch. */
export function torch(args: readonly string[]): TorchResult | undefined {
  const script = fileURLToPath(new URL('measure_torch.py', import.meta.url));
  for (const python of pythons) {
    const found = spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore' });
    if (found.status !== 0) continue;
    const { status, stdout, stderr } = spawnSync(python, [script, ...args], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`measure_torch.py ${args.join(' ')}: ${stderr.trim().split('\n').at(-1)}`);
    const { name, samples } = JSON.parse(stdout) as { name: string; samples: Record<string, number[]> };
    const entries = Object.entries(samples);
    return { name, samples: new Map(entries), medians: new Map(entries.map(([key, s]) => [key, median(s)])) };
  }
  return undefined;
}
