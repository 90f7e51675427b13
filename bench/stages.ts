/** A run of the bench: its stages one after the other, saved after every row. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import pc from 'picocolors';
import { type Device, openDevice } from '../engine/node.ts';
import { measureCeilings } from './ceilings.ts';
import { measureDecoding } from './data.ts';
import { verdictCells, verdicts } from './goals.ts';
import { type HostCosts, measureHost } from './host.ts';
import { type LadderRow, runLadder } from './ladder.ts';
import { renderPage } from './page/index.ts';
import { comparePeers, startTorch } from './peers/compare-peers.ts';
import type { Torch } from './peers/torch.ts';
import { type HalfRow, measurePrecision } from './precision.ts';
import { isDisturbed, quiet } from './quiet.ts';
import { describeRun, kindOf, type PeerRow, type Results } from './results.ts';
import { formatMemory, runSteps, type StepRow } from './steps.ts';
import { measureSwitches, type SwitchRow } from './switches/measure.ts';

export interface Flags {
  readonly peers?: boolean;
  readonly quick?: boolean;
  readonly ladder: boolean;
  readonly steps: boolean;
  readonly switches: boolean;
  readonly precision: boolean;
  readonly host: boolean;
  readonly json: string;
  readonly page?: string;
  readonly rounds: number;
}

/** What the stages find, row by row. */
interface Found {
  readonly ladder: LadderRow[];
  readonly steps: StepRow[];
  readonly peers: PeerRow[];
  readonly switches: SwitchRow[];
  readonly precision: HalfRow[];
  host?: HostCosts;
  data?: NonNullable<Results['data']>;
}

const formatRung = (r: LadderRow): string => {
  const name = `${r.kernel}/${r.variant}`.padEnd(34);
  const line = `${r.title.padEnd(38)} ${name} ${r.median.toFixed(2).padStart(9)} ms ${r.gflops.toFixed(1).padStart(8)} GFLOP/s ${r.gbps.toFixed(1).padStart(7)} GB/s ${(100 * r.ceiling).toFixed(0).padStart(4)} %  error ${r.error.toExponential(1)}`;
  return r.chosen ? pc.bold(line) : line;
};

const formatStep = (s: StepRow): string => {
  const peers = s.peers.map(
    (p) =>
      `${p.engine} ${p.median.toFixed(1)} ms: ${(p.median / s.median).toFixed(2)}× PyTorch, losses differ by ${p.lossDifference.toExponential(1)}`,
  );
  const kernels = s.dominant.map((d) => `${d.kernel} ${(100 * d.share).toFixed(0)} %`).join(', ');
  return [
    `${s.title.padEnd(42)} batch ${s.batch}  ${s.median.toFixed(1)} ms (${s.min.toFixed(1)}–${s.max.toFixed(1)}, n ${s.samples.length})  ${s.dispatches} dispatches, ${s.hostMicroseconds.toFixed(1)} µs host each (submission ${s.submissionMicroseconds.toFixed(1)}); ${kernels}`,
    ...peers,
    formatMemory(s.memory),
  ].join('\n    ');
};

const formatSwitch = (s: SwitchRow): string =>
  `${s.off.padEnd(22)} ${s.work.padEnd(34)} ${s.times.padEnd(30)} ${s.offMedian.toFixed(1).padStart(9)} → ${s.onMedian.toFixed(1).padStart(9)} ms  ${(s.offMedian / s.onMedian).toFixed(2)}×  ${s.sameBits ? 'same bits' : `error ${s.error.toExponential(1)}`}`;

const formatHalf = (r: HalfRow): string =>
  `${r.title.padEnd(38)} ${r.kernel.padEnd(22)} ${r.f32.variant} ${r.f32.gflops.toFixed(1)} → ${r.half.variant} ${r.half.gflops.toFixed(1)} GFLOP/s  error ${r.halfError.toExponential(1)}`;

const warn = (what: string, error: Error): void => console.log(pc.yellow(`${what}: ${error.message}`));

/** Variables that change what is measured: part of the command that a page names. */
const SETTINGS = ['TUNE', 'KERNEL', 'WINOGRAD', 'MATMUL_PRECISION', 'SUBGROUP_MATRIX', 'DAWN_FLAGS'] as const;

export async function run(filter: string | undefined, flags: Flags): Promise<void> {
  const device = await openDevice();
  // Where the results went is nobody else's business.
  const args = process.argv.slice(2).filter((arg, i, all) => arg !== '--json' && all[i - 1] !== '--json');
  const set = SETTINGS.flatMap((name) => (process.env[name] ? [`${name}=${process.env[name]}`] : []));
  const about = describeRun(device, [...set, 'npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' '));
  console.log(`${device.name}: ${kindOf(device.info)}`);
  const ceilings = await measureCeilings(device);
  console.log(
    `ceilings: ${ceilings.gflops.toFixed(1)} GFLOP/s, ${ceilings.gbps.toFixed(1)} GB/s (${ceilings.gbpsBy}); copyBufferToBuffer ${ceilings.copyGbps.toFixed(1)} GB/s\n`,
  );
  const found: Found = { ladder: [], steps: [], peers: [], switches: [], precision: [] };
  const results = (): Results => ({ ...about, ceilings, turns: quiet.report(), ...found });
  // After every row: a run that is cut short has measured something too.
  const save = async (): Promise<void> => {
    await mkdir(dirname(flags.json), { recursive: true });
    await writeFile(flags.json, `${JSON.stringify(results(), null, 1)}\n`);
    if (flags.page) await writeFile(flags.page, renderPage(results()));
  };
  const torch = flags.peers ? await startTorch(device.traits.software) : [];
  try {
    await runStages(device, ceilings, { filter, flags, torch, found, save });
  } finally {
    // They live as long as their input is open: a run that failed would wait for them for ever.
    for (const one of torch) one.close();
  }
  await save();
  printEnd(results(), flags);
  await device.close();
}

interface Stage {
  readonly filter: string | undefined;
  readonly flags: Flags;
  readonly torch: readonly Torch[];
  readonly found: Found;
  readonly save: () => Promise<void>;
}

async function runStages(device: Device, ceilings: Results['ceilings'], stage: Stage): Promise<void> {
  const { filter, flags, torch, found, save } = stage;
  const { rounds } = flags;
  const base = { quick: flags.quick ?? false, rounds, ...(filter !== undefined && { filter }) };
  /** Prints a row, keeps it, saves. */
  const keep =
    <Row>(rows: Row[], format: (row: Row) => string) =>
    (row: Row): Promise<void> => {
      console.log(format(row));
      rows.push(row);
      return save();
    };
  if (flags.steps) {
    const onStart = (title: string): void => void process.stderr.write(pc.dim(`${title} …\n`));
    const onSkip = (why: string): void => console.log(pc.dim(why));
    const onRow = keep(found.steps, formatStep);
    await runSteps(device, { ...base, torch, onStart, onSkip, onRow, onFailure: warn });
    if (!filter) found.data = await measureDecoding();
  }
  if (flags.switches) {
    await measureSwitches(device, { ...base, onRow: keep(found.switches, formatSwitch), onFailure: warn });
  }
  if (flags.precision) await measurePrecision(device, ceilings, { ...base, onRow: keep(found.precision, formatHalf) });
  if (flags.host && (!filter || filter === 'host')) {
    found.host = await measureHost(device);
    for (const { name, least, median } of found.host.calls) {
      console.log(`${name.padEnd(32)} ${least.toFixed(2)} µs, median ${median.toFixed(2)} µs`);
    }
    await save();
  }
  if (flags.peers) {
    const onRows = async (rows: readonly PeerRow[]): Promise<void> => {
      found.peers.push(...rows);
      await save();
    };
    await comparePeers(device, { ...base, torch, onRows });
  }
  if (flags.ladder) await runLadder(device, ceilings, { ...base, onRow: keep(found.ladder, formatRung) });
}

function printEnd(results: Results, { json, page }: Flags): void {
  const known = verdicts(results).filter(({ measured }) => measured !== undefined);
  if (known.length > 0) console.log('\ngoals');
  for (const verdict of known) {
    const [name, target, measured] = verdictCells(verdict);
    const line = `${name.padEnd(84)} ${target.padStart(9)} ${measured.padStart(9)}  ${verdict.reached ? 'reached' : 'not reached'}`;
    console.log(verdict.reached ? pc.green(line) : pc.red(line));
  }
  const { turns, unquiet, meanWaitMs, foreign } = results.turns;
  console.log(
    `\n${turns} turns, ${unquiet} of them not quiet, ${meanWaitMs.toFixed(0)} ms of waiting each; other work took ${(100 * foreign).toFixed(0)} % of the machine.`,
  );
  if (isDisturbed(results.turns)) console.log(pc.yellow('That is too much: no verdict of this run is final.'));
  console.log(`written to ${json}; compare two with: npm run bench -- compare A.json B.json`);
  if (page) console.log(`page: ${page}`);
}
