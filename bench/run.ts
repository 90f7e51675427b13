/** `npm run bench`: the kernel ladder, whole steps, data loading, peers; JSON, a page, and comparisons of two runs. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import pc from 'picocolors';
import { ConfigError, KindergradError, openDevice, platform } from '../engine/node.ts';
import { measureCeilings } from './ceilings.ts';
import { compareRuns } from './compare.ts';
import { measureDecoding } from './data.ts';
import { type LadderRow, runLadder } from './ladder.ts';
import { type Contender, interleaved } from './measure.ts';
import { renderPage } from './page.ts';
import { comparisons, flopsOf, type Peer, type Ready } from './peers/contenders.ts';
import { Torch } from './peers/torch.ts';
import { describeRun, kindOf, type PeerRow, type Results } from './results.ts';
import { formatMemory, runSteps, type StepRow } from './steps.ts';

/** A comparison that takes long gets fewer rounds. */
const BUDGET_MS = 8_000;

interface Flags {
  peers?: boolean;
  quick?: boolean;
  ladder: boolean;
  steps: boolean;
  json: string;
  page?: string;
  rounds: number;
}

const formatRow = (r: LadderRow): string => {
  const name = `${r.kernel}/${r.variant}`.padEnd(34);
  const line = `${r.title.padEnd(38)} ${name} ${r.median.toFixed(2).padStart(9)} ms ${r.gflops.toFixed(1).padStart(8)} GFLOP/s ${r.gbps.toFixed(1).padStart(7)} GB/s ${(100 * r.ceiling).toFixed(0).padStart(4)} %  error ${r.error.toExponential(1)}`;
  return r.chosen ? pc.bold(line) : line;
};

/** Starts every peer that starts here; says which does not, and why. */
async function startPeers(gpu: GPU): Promise<Peer[]> {
  const loaders = [
    async () => (await import('./peers/tfjs.ts')).tfjs(gpu),
    async () => (await import('./peers/jaxjs.ts')).jaxjs(gpu),
    async () => (await import('./peers/onnxruntime.ts')).onnxruntimeWebGpu(gpu),
    async () => (await import('./peers/onnxruntime.ts')).onnxruntimeWasm(),
  ];
  const peers: Peer[] = [];
  for (const load of loaders) {
    try {
      peers.push(await load());
    } catch (error) {
      console.log(pc.yellow(`a peer did not start: ${error instanceof Error ? error.message : error}`));
    }
  }
  return peers;
}

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0];

async function comparePeers(peers: readonly Peer[], rounds: number, filter: string | undefined): Promise<PeerRow[]> {
  const rows: PeerRow[] = [];
  for (const comparison of comparisons) {
    if (filter && !comparison.includes(filter)) continue;
    const working: (Contender & Ready)[] = [];
    for (const { name, contenders } of peers) {
      const make = contenders.get(comparison);
      if (!make) continue;
      try {
        const ready = await make();
        await ready.run();
        working.push({ name, ...ready });
      } catch (error) {
        rows.push({ comparison, engine: name, samples: [], failure: firstLine(error) });
        console.log(pc.yellow(`${comparison}: ${name}: ${firstLine(error)}`));
      }
    }
    const timings = await interleaved(working, { rounds, budgetMs: BUDGET_MS, warm: true });
    for (const { release } of working) await release?.();
    const flops = flopsOf(comparison);
    for (const { name, median, samples } of timings) {
      rows.push({ comparison, engine: name, median, samples });
      const rate = flops > 0 ? `${(flops / median / 1e6).toFixed(1).padStart(8)} GFLOP/s` : ''.padStart(16);
      console.log(
        `${comparison.padEnd(46)} ${name.padEnd(60)} ${median.toFixed(2).padStart(10)} ms ${rate}  ${(median / timings[0].median).toFixed(2)}×`,
      );
    }
  }
  return rows;
}

async function startTorch(software: boolean): Promise<Torch[]> {
  const started = software ? [await Torch.cpu()] : [await Torch.cuda('fp32'), await Torch.cuda('tf32')];
  const torches = started.filter((torch) => torch !== undefined);
  if (torches.length === 0) console.log('PyTorch: no python3 with torch here.');
  return torches;
}

const formatStep = (s: StepRow): string => {
  const peers = s.peers.map(
    (p) =>
      `${p.engine} ${p.median.toFixed(1)} ms: ${(p.median / s.median).toFixed(2)}× PyTorch, losses differ by ${p.lossDifference.toExponential(1)}`,
  );
  const kernels = s.dominant.map((d) => `${d.kernel} ${(100 * d.share).toFixed(0)} %`).join(', ');
  return [
    `${s.title.padEnd(42)} batch ${s.batch}  ${s.median.toFixed(1)} ms (${s.min.toFixed(1)}–${s.max.toFixed(1)}, n ${s.samples.length})  ${s.dispatches} dispatches, ${s.hostMicroseconds.toFixed(1)} µs host each; ${kernels}`,
    ...peers,
    formatMemory(s.memory),
  ].join('\n    ');
};

async function run(filter: string | undefined, flags: Flags): Promise<void> {
  const device = await openDevice();
  // Where the results went is nobody else's business.
  const args = process.argv.slice(2).filter((arg, i, all) => arg !== '--json' && all[i - 1] !== '--json');
  const command = ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
  const about = describeRun(device, command);
  console.log(`${device.name}: ${kindOf(device.info)}`);
  const ceilings = await measureCeilings(device);
  console.log(
    `ceilings: ${ceilings.gflops.toFixed(1)} GFLOP/s, ${ceilings.gbps.toFixed(1)} GB/s (${ceilings.gbpsBy}); copyBufferToBuffer ${ceilings.copyGbps.toFixed(1)} GB/s\n`,
  );
  const quick = flags.quick ?? false;
  const base = { quick, ...(filter && { filter }) };
  const found: Omit<Results, keyof typeof about | 'ceilings'> = { ladder: [], steps: [], peers: [] };
  // After every stage: a run that is cut short has measured something too.
  const save = async (): Promise<void> => {
    const results: Results = { ...about, ceilings, ...found };
    await mkdir(dirname(flags.json), { recursive: true });
    await writeFile(flags.json, `${JSON.stringify(results, null, 1)}\n`);
    if (flags.page) await writeFile(flags.page, renderPage(results));
  };
  const torch = flags.peers ? await startTorch(device.traits.software) : [];
  try {
    await runStages();
  } finally {
    // They live as long as their input is open: a run that failed would wait for them for ever.
    for (const one of torch) one.close();
  }
  console.log(`\nwritten to ${flags.json}; compare two with: npm run bench -- compare A.json B.json`);
  if (flags.page) console.log(`page: ${flags.page}`);
  await device.close();

  async function runStages(): Promise<void> {
    if (flags.steps) {
      const onStart = (title: string): void => void process.stderr.write(pc.dim(`${title} …\n`));
      const onRow = (row: StepRow): void => console.log(formatStep(row));
      const onFailure = (title: string, error: Error): void => console.log(pc.yellow(`${title}: ${error.message}`));
      const options = { ...base, rounds: flags.rounds, torch, onStart, onRow, onFailure };
      Object.assign(found, { steps: await runSteps(device, options) });
      if (!filter) Object.assign(found, { data: await measureDecoding() });
      await save();
    }
    if (flags.peers) {
      const { kindergrad } = await import('./peers/kindergrad.ts');
      const others = await startPeers(await platform().gpu());
      const all = [kindergrad(device), ...others, ...torch.map(({ peer }) => peer)];
      Object.assign(found, { peers: await comparePeers(all, flags.rounds, filter) });
      await save();
    }
    if (flags.ladder) {
      const rows: LadderRow[] = [];
      Object.assign(found, { ladder: rows });
      const onRow = (row: LadderRow): Promise<void> => {
        console.log(formatRow(row));
        rows.push(row);
        return save();
      };
      await runLadder(device, ceilings, { ...base, onRow });
    }
    await save();
  }
}

async function compare(a: string, b: string): Promise<void> {
  const read = async (path: string): Promise<Results> => JSON.parse(await readFile(path, 'utf8')) as Results;
  const [first, second] = [await read(a), await read(b)];
  if (first.adapter.description !== second.adapter.description) {
    console.log(pc.yellow(`different adapters: ${first.adapter.description} and ${second.adapter.description}`));
  }
  for (const { name, ratio, drift, verdict } of compareRuns(first, second)) {
    const line = `${name.padEnd(72)} ${ratio.toFixed(2)}× (machine ${drift.toFixed(2)}×)  ${verdict}`;
    console.log(verdict === 'faster' ? pc.green(line) : verdict === 'slower' ? pc.red(line) : line);
  }
}

/** Several runs of one checkout as one page, since a software adapter takes long for everything at once. */
async function page(file: string, pieces: readonly string[]): Promise<void> {
  const runs = await Promise.all(pieces.map(async (path) => JSON.parse(await readFile(path, 'utf8')) as Results));
  const [first] = runs;
  const odd = runs.find((run) => run.adapter.description !== first.adapter.description || run.commit !== first.commit);
  if (odd) throw new ConfigError(`The pieces are of different adapters or commits: ${first.commit}, ${odd.commit}.`);
  const whole = {
    ...first,
    command: runs.map((run) => run.command).join('`, `'),
    ladder: runs.flatMap((run) => run.ladder),
    steps: runs.flatMap((run) => run.steps),
    peers: runs.flatMap((run) => run.peers),
  };
  await writeFile(file, renderPage(whole));
  console.log(`page: ${file}`);
}

const program = new Command('bench')
  .description('Times kernels, training steps and peers on this device, against measured ceilings.')
  .argument('[filter]', 'only what contains this word')
  .option('--peers', 'TensorFlow.js, jax-js and, where python3 has torch, PyTorch, in the same run')
  .option('--quick', 'leaves the heavy shapes out')
  .option('--no-ladder', 'no kernel ladder')
  .option('--no-steps', 'no training steps')
  .option('--rounds <n>', 'rounds of the comparison with peers', Number, 5)
  .option('--json <file>', 'where the results go', 'runs/bench/latest.json')
  .option('--page <file>', 'writes the results as a page, e.g. docs/benchmarks.md')
  .action(run);
program.command('page <file> <pieces...>').description('a page of one or more JSON files').action(page);
program.command('compare <a> <b>').description('two JSON files side by side').action(compare);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof KindergradError)) throw error;
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}
