/** Engines side by side on the same pieces of work. */
import pc from 'picocolors';
import type { Device } from '../../engine/node.ts';
import { platform } from '../../engine/node.ts';
import { pace, yardstick } from '../ceilings.ts';
import { decisive } from '../goals.ts';
import { type Contender, interleaved, type TurnOptions } from '../measure.ts';
import { quiet } from '../quiet.ts';
import type { PeerRow } from '../results.ts';
import { comparisons, flopsOf, gpuComparisons, type Peer, type Ready } from './contenders.ts';
import { kindergrad } from './kindergrad.ts';
import { Torch } from './torch.ts';

/** An engine that takes long gets fewer rounds. */
const BUDGET_MS = 3_000;

/** A goal stands on a median of so many samples at least. */
const DECISIVE_ROUNDS = 3;

/**
 * PyTorch on the CPU beside a software adapter, as it comes and keeping freed memory; on CUDA beside a GPU. Those that call
 * themselves the same are the same: without glibc, or where the environment has it keep its memory anyway.
 */
export async function startTorch(software: boolean): Promise<Torch[]> {
  const started = await Promise.all(
    software ? [Torch.cpu(), Torch.cpu('kept')] : [Torch.cuda('fp32'), Torch.cuda('tf32')],
  );
  const torches: Torch[] = [];
  for (const torch of started) {
    if (torches.some(({ name }) => name === torch?.name)) torch?.close();
    else if (torch) torches.push(torch);
  }
  if (torches.length === 0) console.log(`PyTorch: no python3 with torch${software ? '' : ' and CUDA'} here.`);
  return torches;
}

/** Starts every peer that starts here; says which does not, and why. */
async function startPeers(gpu: GPU): Promise<Peer[]> {
  const loaders = [
    async () => (await import('./tfjs.ts')).tfjs(gpu),
    async () => (await import('./jaxjs.ts')).jaxjs(gpu),
    async () => (await import('./onnxruntime.ts')).onnxruntimeWebGpu(gpu),
    async () => (await import('./onnxruntime.ts')).onnxruntimeWasm(),
  ];
  const peers: Peer[] = [];
  for (const load of loaders) {
    try {
      peers.push(await load());
    } catch (error) {
      console.log(pc.yellow(`a peer did not start: ${firstLine(error)}`));
    }
  }
  return peers;
}

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0];

export interface PeerOptions {
  readonly rounds: number;
  readonly filter?: string;
  readonly torch: readonly Torch[];
  readonly onRows: (rows: readonly PeerRow[]) => Promise<void>;
}

export async function comparePeers(device: Device, options: PeerOptions): Promise<void> {
  const { filter, torch, onRows } = options;
  const { software } = device.traits;
  const wanted = [...comparisons, ...(software ? [] : gpuComparisons)].filter(
    (name) => !filter || name.includes(filter),
  );
  if (wanted.length === 0) return;
  if (software && !filter) console.log(`left to GPUs: ${gpuComparisons.join(', ')}`);
  const peers = [kindergrad(device), ...(await startPeers(await platform().gpu())), ...torch.map(({ peer }) => peer)];
  const stick = yardstick(device);
  const turns = { rounds: options.rounds, ...pace(device, stick) };
  for (const comparison of wanted) await onRows(await compareOn(comparison, peers, turns));
  stick.dispose();
}

async function compareOn(comparison: string, peers: readonly Peer[], turns: TurnOptions): Promise<PeerRow[]> {
  const failed: PeerRow[] = [];
  const working: (Contender & Ready)[] = [];
  for (const { name, contenders } of peers) {
    const make = contenders.get(comparison);
    if (!make) continue;
    try {
      const ready = await make();
      await ready.run();
      working.push({ name, ...ready });
    } catch (error) {
      failed.push({ comparison, engine: name, samples: [], failure: firstLine(error) });
      console.log(pc.yellow(`${comparison}: ${name}: ${firstLine(error)}`));
    }
  }
  await quiet.settleStart();
  const timings = await interleaved(working, {
    ...turns,
    leastRounds: decisive.has(comparison) ? DECISIVE_ROUNDS : 1,
    budgetMs: BUDGET_MS,
    warm: true,
  });
  for (const { release } of working) await release?.();
  const flops = flopsOf(comparison);
  for (const { name, median } of timings) {
    const rate = flops > 0 ? `${(flops / median / 1e6).toFixed(1).padStart(8)} GFLOP/s` : ''.padStart(16);
    console.log(
      `${comparison.padEnd(46)} ${name.padEnd(60)} ${median.toFixed(2).padStart(10)} ms ${rate}  ${(median / timings[0].median).toFixed(2)}×`,
    );
  }
  return [...timings.map(({ name, median, samples }) => ({ comparison, engine: name, median, samples })), ...failed];
}
