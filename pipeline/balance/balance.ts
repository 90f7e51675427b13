/** `kindergrad balance`: trains what is missing, generates, selects, reports. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../engine/index.ts';
import { type DataSet, readDataSet } from '../dataset/read.ts';
import { progress } from '../progress.ts';
import { checkpointPath, loadCheckpoint } from '../run/checkpoint.ts';
import { RunFolder, readRunConfig } from '../run/folder.ts';
import { type GanRunConfig, ganRunSchema } from './config.ts';
import { GanTrainer, trainGan } from './gan-training.ts';
import { type Generated, generate, type Judge } from './generate.ts';
import type { Measure } from './judges.ts';
import { type BalanceTask, countByClass, planBalance, realPictures } from './plan.ts';
import type { Quality } from './quality.ts';
import { writeBalanceReport } from './report.ts';
import type { SelectOptions } from './select.ts';

export interface BalanceOptions extends Omit<SelectOptions, 'keep'> {
  readonly to?: string;
  readonly from?: string;
  /** Folder of the CycleGAN runs and the report. */
  readonly out: string;
  readonly run: Pick<GanRunConfig, 'epochs' | 'stepsPerEpoch' | 'seed' | 'checkpointMinutes' | 'model'>;
  readonly surplus: number;
  /** Judges for a target class: a classifier trained on real pictures, a face detector. */
  readonly judges: (to: string) => Promise<{ judges: readonly Judge[]; measure?: Measure | undefined }>;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface TaskOutcome {
  readonly task: BalanceTask;
  readonly run: string;
  readonly generated: Generated;
  /** Distance of the kept pictures from the real ones of the class, by the classifier's features. */
  readonly quality?: Quality | undefined;
}

/** Balances a data set in place. A second call goes on where the first one stopped. */
export async function balance(folder: string, options: BalanceOptions): Promise<'finished' | 'interrupted'> {
  const data = await readDataSet(folder);
  const counts = countByClass(data);
  options.say(`${folder}: ${[...counts].map(([name, n]) => `${n} ${name}`).join(', ')}`);
  const tasks = planBalance(data, options);
  if (tasks.length === 0) {
    options.say('The classes are as large as asked for; nothing to do.');
    return 'finished';
  }
  const outcomes: TaskOutcome[] = [];
  for (const task of tasks) {
    options.say(`${task.make} ${task.to} pictures are to be made from ${task.from} ones`);
    const run = join(options.out, `${task.from}-to-${task.to}`);
    const state = await trainTask(data, task, run, options);
    if (state === 'interrupted') {
      options.say(`Interrupted and saved. The same command goes on from ${run}.`);
      return 'interrupted';
    }
    const { generated, quality } = await generateTask(data, task, run, options);
    options.say(`  kept ${generated.kept.length} of ${generated.kept.length + generated.discarded.length} candidates`);
    if (quality) options.say(`  ${describeQuality(quality)}`);
    outcomes.push({ task, run, generated, quality });
  }
  const report = await writeBalanceReport(options.out, await readDataSet(folder), outcomes);
  options.say(`Generated pictures are in ${folder}, marked in its manifest; look at ${report}`);
  const missing = outcomes.filter(({ task, generated }) => generated.kept.length < task.make);
  for (const { task, generated } of missing) {
    options.say(
      `${task.to} still lacks ${task.make - generated.kept.length}: too few ${task.from} pictures were left or good enough.`,
    );
  }
  return 'finished';
}

async function trainTask(data: DataSet, task: BalanceTask, path: string, options: BalanceOptions) {
  const { signal } = options;
  const started = existsSync(join(path, 'config.json'));
  const config: GanRunConfig = started
    ? await readRunConfig(path, ganRunSchema)
    : { kind: 'cyclegan', data: data.folder, from: task.from, to: task.to, ...options.run };
  if (started && (config.from !== task.from || config.to !== task.to)) {
    throw new ConfigError(`${path} holds a run from ${config.from} to ${config.to}.`, {
      remedy: 'Give another folder with --out.',
    });
  }
  const resume = started && existsSync(checkpointPath(path, 'last'));
  let run: RunFolder;
  if (resume) {
    const { state } = await loadCheckpoint(path, 'last');
    const { position } = state as { position: { step: number; epoch: number } };
    if (position.epoch >= config.epochs) return 'finished' as const;
    options.say(`  going on from step ${position.step} of ${path}`);
    run = await RunFolder.resume(path, position.step);
  } else {
    run = started ? await RunFolder.resume(path, 0) : await RunFolder.create(path, config);
  }
  const line = progress(`${task.from} → ${task.to}`);
  const input = { run, config, from: realPictures(data, task.from), to: realPictures(data, task.to), resume, signal };
  return trainGan({ ...input, progress: line }).finally(async () => {
    line.finish();
    await run.close();
  });
}

async function generateTask(
  data: DataSet,
  task: BalanceTask,
  run: string,
  options: BalanceOptions,
): Promise<{ generated: Generated; quality?: Quality | undefined }> {
  const config = await readRunConfig(run, ganRunSchema);
  const trainer = new GanTrainer(config);
  const line = progress('generating');
  try {
    trainer.restore(await loadCheckpoint(run, 'last'));
    const { judges, measure } = await options.judges(task.to);
    const { surplus } = options;
    const seed = config.seed;
    const generated = await generate({ data, task, trainer, run, seed, judges, options, surplus, progress: line });
    if (!measure || generated.paths.length < 2) return { generated };
    const real = realPictures(data, task.to).map(({ file }) => file);
    const made = generated.paths.map((path) => join(data.folder, path));
    return { generated, quality: await measure(real, made) };
  } finally {
    line.finish();
    trainer.dispose();
  }
}

/** The distances in one line, with their caveat. */
export function describeQuality({ kernelDistance, frechetDistance, real, generated, caveat }: Quality): string {
  const figures = `kernel distance ${kernelDistance.toPrecision(3)}, Fréchet distance ${frechetDistance.toPrecision(3)}`;
  return `${figures} (${generated} generated, ${real} real${caveat ? `; ${caveat}` : ''})`;
}
