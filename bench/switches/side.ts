/**
 * One side of a switch, in a process of its own with the variable set in its environment, as a user would set it:
 *
 *     node --import tsx bench/switches/side.ts 'CycleGAN step 64×64'
 *
 * Says {"first": milliseconds, "digest": …, "numbers": […], "dispatches": …, "temporaryBytes": …} after its first runs, then answers every line with
 * {"milliseconds": …} of one more.
 */
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { openDevice } from '../../engine/node.ts';
import { type WorkName, works } from './works.ts';

const say = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** Runs after which the bits are compared: the second sees what the gradients and the optimiser of the first did. */
const COMPARED_RUNS = 2;

async function serve(name: WorkName): Promise<void> {
  const device = await openDevice();
  const work = works[name](device);
  const first = await timed(work.run);
  // Training turns a difference of rounding into any: the numbers are those of the first run.
  const { numbers } = await work.results();
  for (let run = 1; run < COMPARED_RUNS; run++) await work.run();
  const { bytes } = await work.results();
  const hash = createHash('sha256');
  for (const part of bytes) hash.update(part);
  const { dispatches, temporaryBytes } = work.plan() ?? {};
  say({ first, digest: hash.digest('hex'), numbers, dispatches, temporaryBytes });
  for await (const _ of createInterface({ input: process.stdin })) say({ milliseconds: await timed(work.run) });
  await device.close();
}

try {
  await serve(process.argv[2] as WorkName);
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) });
}
