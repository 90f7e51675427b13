/** `npm run bench`: the kernel ladder, whole steps, data loading, peers; JSON, a page, and comparisons of two runs. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import pc from 'picocolors';
import { KindergradError, openDevice, platform } from '../engine/node.ts';
import { measureCeilings } from './ceilings.ts';
import { compareRuns } from './compare.ts';
import { measureDecoding } from './data.ts';
import { type LadderRow, runLadder } from './ladder.ts';
import { interleaved } from './measure.ts';
import { renderPage } from './page.ts';
import { comparisons, flopsOf, type Peer } from './peers/contenders.ts';
import { torch } from './peers/torch.ts';
import { describeRun, kindOf, type PeerRow, type Results } from './results.ts';
import { runSteps } from './steps.ts';

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

async function comparePeers(gpu: GPU, ours: Peer, rounds: number, filter: string | undefined): Promise<PeerRow[]> {
  const rows: PeerRow[] = [];
  const peers: Peer[] = [ours];
  const loaders = [
    async () => (await import('./peers/tfjs.ts')).tfjs(gpu),
    async () => (await import('./peers/jaxjs.ts')).jaxjs(gpu),
  ];
  for (const load of loaders) {
    try {
      peers.push(await load());
    } catch (error) {
      console.log(pc.yellow(`a peer did not start: ${error instanceof Error ? error.message : error}`));
    }
  }
  for (const comparison of comparisons) {
    if (filter && !comparison.includes(filter)) continue;
    const working: { name: string; run: () => Promise<unknown> }[] = [];
    for (const peer of peers) {
      const run = peer.contenders.get(comparison);
      if (!run) continue;
      try {
        await run();
        working.push({ name: peer.name, run });
      } catch (error) {
        const failure = error instanceof Error ? error.message.split('\n')[0] : String(error);
        rows.push({ comparison, engine: peer.name, samples: [], failure });
      }
    }
    const timings = await interleaved(working, { rounds });
    const flops = flopsOf(comparison);
    for (const { name, median, samples } of timings) {
      rows.push({ comparison, engine: name, median, samples });
      const rate = flops > 0 ? `${(flops / median / 1e6).toFixed(1).padStart(8)} GFLOP/s` : ''.padStart(16);
      const ratio = median / timings[0].median;
      console.log(
        `${comparison.padEnd(52)} ${name.padEnd(30)} ${median.toFixed(2).padStart(10)} ms ${rate}  ${ratio.toFixed(2)}×`,
      );
    }
  }
  return rows;
}

function torchRows(software: boolean, rounds: number): PeerRow[] {
  const modes = software
    ? [['cpu', String(rounds), '2']]
    : [
        ['cuda', String(rounds), 'fp32'],
        ['cuda', String(rounds), 'tf32'],
      ];
  const rows: PeerRow[] = [];
  for (const args of modes) {
    const result = torch(args);
    if (!result) {
      console.log('PyTorch: no python3 with torch here.');
      return rows;
    }
    for (const [comparison, median] of result.medians) {
      rows.push({ comparison, engine: result.name, median, samples: result.samples.get(comparison) ?? [] });
      console.log(`${comparison.padEnd(52)} ${result.name.padEnd(30)} ${median.toFixed(2).padStart(10)} ms`);
    }
  }
  return rows;
}

async function run(filter: string | undefined, flags: Flags): Promise<void> {
  const device = await openDevice();
  const command = `npm run bench${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}`;
  const about = describeRun(device, command);
  console.log(`${device.name}: ${kindOf(device.info)}`);
  const ceilings = await measureCeilings(device);
  console.log(`ceilings: ${ceilings.gflops.toFixed(1)} GFLOP/s, ${ceilings.gbps.toFixed(1)} GB/s (measured)\n`);
  const quick = flags.quick ?? false;
  const base = { quick, ...(filter && { filter }) };
  const ladder = flags.ladder
    ? await runLadder(device, ceilings, { ...base, onRow: (r) => console.log(formatRow(r)) })
    : [];
  const steps = flags.steps
    ? await runSteps(device, {
        ...base,
        onRow: (s) =>
          console.log(
            `${s.title.padEnd(38)} batch ${s.batch}  ${s.median.toFixed(1)} ms  ${s.dispatches} dispatches, ${s.hostMicroseconds.toFixed(1)} µs host each; ${s.dominant.map((d) => `${d.kernel} ${(100 * d.share).toFixed(0)} %`).join(', ')}`,
          ),
      })
    : [];
  const data = flags.steps && !filter ? await measureDecoding() : undefined;
  const peers: PeerRow[] = [];
  if (flags.peers) {
    const { kindergrad } = await import('./peers/kindergrad.ts');
    peers.push(...(await comparePeers(await platform().gpu(), await kindergrad(device), flags.rounds, filter)));
    peers.push(...torchRows(device.traits.software, flags.rounds));
  }
  const results: Results = { ...about, ceilings, ladder, steps, ...(data && { data }), peers };
  await mkdir(dirname(flags.json), { recursive: true });
  await writeFile(flags.json, `${JSON.stringify(results, null, 1)}\n`);
  console.log(`\nwritten to ${flags.json}; compare two with: npm run bench -- compare A.json B.json`);
  if (flags.page) {
    await writeFile(flags.page, renderPage(results));
    console.log(`page: ${flags.page}`);
  }
  await device.close();
}

async function compare(a: string, b: string): Promise<void> {
  const read = async (path: string): Promise<Results> => JSON.parse(await readFile(path, 'utf8')) as Results;
  const [first, second] = [await read(a), await read(b)];
  if (first.adapter.description !== second.adapter.description) {
    console.log(pc.yellow(`different adapters: ${first.adapter.description} and ${second.adapter.description}`));
  }
  for (const { name, ratio, verdict } of compareRuns(first, second)) {
    const line = `${name.padEnd(72)} ${ratio.toFixed(2)}×  ${verdict}`;
    console.log(verdict === 'faster' ? pc.green(line) : verdict === 'slower' ? pc.red(line) : line);
  }
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
program.command('compare <a> <b>').description('two JSON files side by side').action(compare);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof KindergradError)) throw error;
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}
