/** Each speed-up on and off, in turn, each side in a process of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Device } from '../../engine/node.ts';
import { pace, yardstick } from '../ceilings.ts';
import { Child } from '../child.ts';
import { interleaved, type Timing, type TurnOptions } from '../measure.ts';
import { quiet } from '../quiet.ts';
import { type Switch, switches } from './list.ts';
import type { WorkName } from './works.ts';

/** Milliseconds with the switch off and on, and what the results have in common. */
export interface SwitchRow {
  /** e.g. `REUSE=0` */
  readonly off: string;
  readonly work: string;
  readonly times: 'run' | 'first run, empty driver cache';
  readonly offSamples: readonly number[];
  readonly onSamples: readonly number[];
  readonly offMedian: number;
  readonly onMedian: number;
  /** Dispatches of a run; undefined without a program. */
  readonly offDispatches: number | undefined;
  readonly onDispatches: number | undefined;
  /** Bytes of the program's temporaries; undefined without one. */
  readonly offTemporaries: number | undefined;
  readonly onTemporaries: number | undefined;
  /** Whether losses and weights after two steps (or logits) are the same to the bit. */
  readonly sameBits: boolean;
  /** Largest difference of a loss of the first step, or of a logit, relative to the largest. */
  readonly error: number;
}

interface Side {
  readonly child: Child;
  readonly first: number;
  readonly digest: string;
  readonly numbers: readonly number[];
  readonly dispatches: number | undefined;
  readonly temporaryBytes: number | undefined;
}

const script = fileURLToPath(new URL('side.ts', import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

async function start(work: WorkName, env: NodeJS.ProcessEnv): Promise<Side> {
  const { child, about } = await Child.start(work, [process.execPath, '--import', tsx, script, work], env);
  return { ...(about as unknown as Omit<Side, 'child'>), child };
}

/** A first run happens once in a process: every sample has a process, and a driver cache, of its own. */
async function startCold(work: WorkName, env: NodeJS.ProcessEnv): Promise<Side> {
  const cache = await mkdtemp(join(tmpdir(), 'bench-cache-'));
  try {
    const side = await start(work, { ...env, MESA_SHADER_CACHE_DIR: cache });
    side.child.close();
    return side;
  } finally {
    // The driver may still be writing to it.
    await rm(cache, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

export function relativeError(a: readonly number[], b: readonly number[]): number {
  const scale = Math.max(...a.map(Math.abs));
  const largest = Math.max(...a.map((value, i) => Math.abs(value - b[i])));
  return scale > 0 ? largest / scale : largest;
}

async function measureOne(one: Switch, work: WorkName, turns: TurnOptions & { rounds: number }): Promise<SwitchRow> {
  const { rounds } = turns;
  const { [one.variable]: _, ...without } = process.env;
  const settings = { off: { ...without, [one.variable]: one.off }, on: without };
  const sides: Partial<Record<'off' | 'on', Side>> = {};
  let timings: Timing[];
  if (one.times === 'first') {
    const contender = (name: 'off' | 'on') => ({
      name,
      run: async () => {
        const side = await startCold(work, settings[name]);
        sides[name] = side;
        return { ownMilliseconds: side.first };
      },
    });
    timings = await interleaved([contender('off'), contender('on')], {
      ...turns,
      rounds: Math.min(rounds, 3),
      warm: true,
      budgetMs: 25_000,
    });
  } else {
    for (const name of ['off', 'on'] as const) sides[name] = await start(work, settings[name]);
    await quiet.settleStart();
    const contender = (name: 'off' | 'on') => ({
      name,
      run: async () => ({ ownMilliseconds: Number((await sides[name]?.child.ask({}))?.milliseconds) }),
    });
    try {
      timings = await interleaved([contender('off'), contender('on')], {
        ...turns,
        rounds: 2 * rounds,
        warm: true,
        budgetMs: 5_000,
        leastRounds: 3,
      });
    } finally {
      for (const side of Object.values(sides)) side.child.close();
    }
  }
  const [off, on] = timings;
  return {
    off: `${one.variable}=${one.off}`,
    work,
    times: one.times === 'first' ? 'first run, empty driver cache' : 'run',
    offSamples: off.samples,
    onSamples: on.samples,
    offMedian: off.median,
    onMedian: on.median,
    offDispatches: sides.off?.dispatches,
    onDispatches: sides.on?.dispatches,
    offTemporaries: sides.off?.temporaryBytes,
    onTemporaries: sides.on?.temporaryBytes,
    sameBits: sides.off?.digest === sides.on?.digest,
    error: relativeError(sides.on?.numbers ?? [], sides.off?.numbers ?? []),
  };
}

export interface SwitchOptions {
  readonly filter?: string;
  readonly quick: boolean;
  readonly rounds: number;
  readonly onRow: (row: SwitchRow) => Promise<void> | void;
  readonly onFailure: (what: string, error: Error) => void;
}

export async function measureSwitches(device: Device, options: SwitchOptions): Promise<void> {
  const { filter, quick: short, rounds } = options;
  const stick = yardstick(device);
  const turns = { rounds, ...pace(device, stick) };
  for (const one of switches) {
    const work = (short ? one.quickWork : undefined) ?? one.work;
    const name = `${one.variable}=${one.off} ${work}`;
    const tooLong = short && one.times === 'first' && one.quickWork !== undefined;
    const wanted = !filter || filter === 'switches' || name.includes(filter);
    if (!wanted || tooLong || (one.softwareOnly && !device.traits.software)) continue;
    try {
      await options.onRow(await measureOne(one, work, turns));
    } catch (error) {
      options.onFailure(name, error instanceof Error ? error : new Error(String(error)));
    }
  }
  stick.dispose();
}
