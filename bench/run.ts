/** `npm run bench`: goals, other engines, steps, switches, kernels; JSON, a page, and comparisons of two runs. */
import { readFile, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import pc from 'picocolors';
import { ConfigError, KindergradError } from '../engine/node.ts';
import { compareRuns } from './compare.ts';
import { renderPage } from './page/index.ts';
import { joinRuns, type Results } from './results.ts';
import { type Flags, run } from './stages.ts';

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
  await writeFile(file, renderPage(joinRuns(runs)));
  console.log(`page: ${file}`);
}

const program = new Command('bench')
  .description(
    'Times kernels, training steps, speed-ups and peers on this device, against measured ceilings and goals.',
  )
  .argument('[filter]', 'only what contains this word: a work, a kernel, WINOGRAD=0; or switches, precision, host')
  .option('--peers', 'TensorFlow.js, jax-js and, where python3 has torch, PyTorch, in the same run')
  .option('--quick', 'leaves the heavy shapes out')
  .option('--no-ladder', 'no kernel ladder')
  .option('--no-steps', 'no training steps')
  .option('--no-switches', 'no speed-ups off and on')
  .option('--no-precision', 'no half precision')
  .option('--no-host', 'no costs of the host')
  .option('--rounds <n>', 'rounds of the comparison with peers', Number, 5)
  .option('--json <file>', 'where the results go', 'runs/bench/latest.json')
  .option('--page <file>', 'writes the results as a page, e.g. docs/benchmarks.md')
  .action((filter: string | undefined, flags: Flags) => run(filter, flags));
program.command('page <file> <pieces...>').description('a page of one or more JSON files').action(page);
program.command('compare <a> <b>').description('two JSON files side by side').action(compare);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof KindergradError)) throw error;
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}
