/** A training run from data to report: begin, resume, finish. */
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { ConfigError } from '../../engine/index.ts';
import type { RowStore } from '../dataset/batches.ts';
import { checkPictures, type PictureStore, pictureStore } from '../dataset/decode.ts';
import { type DataSet, type Picture, readDataSet, type Skipped } from '../dataset/read.ts';
import { type SplitResult, splitDataSet } from '../dataset/split.ts';
import { type Evaluation, formatEvaluation } from '../evaluate/evaluation.ts';
import { sampleSheet } from '../evaluate/sample-sheet.ts';
import { featureStore } from '../features/store.ts';
import { writeFileAtomic } from '../files.ts';
import { unlessInterrupted } from '../interrupt.ts';
import { plural } from '../plural.ts';
import { formatDuration, type Progress, progress } from '../progress.ts';
import { checkpointPath, loadCheckpoint } from '../run/checkpoint.ts';
import { holdsRun, RunFolder, readRunConfig } from '../run/folder.ts';
import { renderModelCard } from '../run/model-card.ts';
import type { Seen } from '../run/seen.ts';
import { readSplit, writeSplit } from '../run/split-file.ts';
import { packageVersion } from '../version.ts';
import { ClassifierTrainer, decodedSize } from './classifier-trainer.ts';
import { resolveTrainConfig, type TrainConfig, type TrainOptions, trainConfigSchema } from './config.ts';
import { evaluate, type Position, positionOf, startPosition, trainLoop } from './loop.ts';
import { checkUnseen, seenWith } from './seen-weights.ts';

export interface SessionOptions {
  /** Saves and ends the run after the step under way; while pictures are read, at once. */
  signal: AbortSignal;
  /** Lines for the user. */
  say: (line: string) => void;
}

export interface Outcome {
  run: string;
  state: 'finished' | 'interrupted';
  evaluation?: Evaluation;
}

interface Prepared {
  data: DataSet;
  split: SplitResult;
  store: PictureStore;
  config: TrainConfig;
  /** Whom the weights will have seen, and what the figures therefore are not; empty where there is nothing to say. */
  seen: Seen;
  caveat: string;
}

/** Reads and splits the data and resolves every option. Nothing is written. @returns nothing when it was interrupted */
async function prepare(
  options: TrainOptions & { model: string; data: string },
  session: SessionOptions,
): Promise<Prepared | undefined> {
  // Paths in full, so that the run can be resumed from anywhere.
  const folder = resolve(options.data);
  const [weights, cache] = [options.weights, options.cache].map((path) => path && resolve(path));
  const found = await readDataSet(folder, { targets: options.targets });
  const config = resolveTrainConfig(
    { ...options, data: folder, weights, cache },
    { version: packageVersion(), classes: found.classes },
  );
  const store = pictureStore(decodedSize(config));
  const line = progress('reading pictures');
  const { signal, say } = session;
  const reading = checkPictures(found, store, line.update, signal).finally(line.finish);
  const data = await unlessInterrupted(signal, reading);
  if (!data) {
    say('stopped while the pictures were read: nothing was begun');
    return undefined;
  }
  const split = limitToOneBatch(splitDataSet(data, config), config);
  describeData(data, split, say);
  if (split.train.length < config.batchSize) {
    throw new ConfigError(`${split.train.length} training pictures do not fill a batch of ${config.batchSize}.`, {
      remedy: `Use --batch-size ${2 ** Math.floor(Math.log2(split.train.length))}, or add pictures.`,
    });
  }
  const seen = await seenWith(config, split);
  const caveat = await checkUnseen(config, split, seen);
  if (caveat) say(`  ${caveat}`);
  return { data, split, store, config, seen, caveat };
}

function describeTrainer({ config, parameterCount, deviceName }: ClassifierTrainer, say: (line: string) => void): void {
  say(`${config.model} with ${parameterCount.toLocaleString('en')} parameters on ${deviceName}`);
  const { batchSize, microBatch } = config;
  if (microBatch < batchSize) say(`  batches of ${batchSize} in ${batchSize / microBatch} passes of ${microBatch}`);
}

/** Ten passes over the same batch make an "epoch" of `--overfit-one-batch`; nothing is held out. */
function limitToOneBatch(split: SplitResult, config: TrainConfig): SplitResult {
  if (!config.overfitOneBatch) return split;
  const stride = Math.max(1, Math.floor(split.train.length / config.batchSize));
  const batch = split.train.filter((_, i) => i % stride === 0).slice(0, config.batchSize);
  return { train: Array<Picture[]>(10).fill(batch).flat(), val: [], test: batch, leftOut: [] };
}

function describeData(data: DataSet, split: SplitResult, say: (line: string) => void): void {
  const count = (pictures: readonly Picture[]) =>
    data.classes.map((name, k) => `${pictures.filter(({ label }) => label === k).length} ${name}`).join(', ');
  const subjects = new Set(data.pictures.map(({ subject }) => subject)).size;
  say(`${plural(data.pictures.length, 'picture')} of ${plural(subjects, 'subject')} in ${data.folder}`);
  const guessed = describeSubjects(data.pictures);
  if (guessed) say(guessed);
  for (const side of ['train', 'val', 'test'] as const) {
    if (split[side].length > 0)
      say(`  ${side.padEnd(5)} ${String(split[side].length).padStart(5)}  (${count(split[side])})`);
  }
  if (split.leftOut.length > 0)
    say(`  ${plural(split.leftOut.length, 'picture')} generated from held-out subjects left out`);
  describeSkipped(data.skipped, say);
}

/** What told the subjects where the manifest does not name them all: a wrong guess must be seen before it is believed. */
function describeSubjects(pictures: readonly Picture[]): string {
  const by = (toldBy: Picture['toldBy']) => [
    ...new Set(pictures.flatMap((picture) => (picture.toldBy === toldBy ? picture.subject : []))),
  ];
  const [folders, names, alone] = [by('folder'), by('name'), by(undefined)];
  const some = (list: readonly string[]) => `${list.slice(0, 3).join(', ')}${list.length > 3 ? ', …' : ''}`;
  const parts = [
    folders.length > 0 && `${folders.length} by folder (${some(folders)})`,
    names.length > 0 && `${names.length} by file name (${some(names)})`,
    alone.length > 0 &&
      `${plural(alone.length, 'file')} by nothing; where they show the same children, name those (docs/data.md)`,
  ].filter(Boolean);
  return parts.length > 0 ? `  subjects told: ${parts.join(', ')}` : '';
}

function describeSkipped(skipped: readonly Skipped[], say: (line: string) => void): void {
  const byReason = new Map<string, Skipped[]>();
  for (const file of skipped) {
    const reason = file.reason.split(' (')[0];
    byReason.set(reason, [...(byReason.get(reason) ?? []), file]);
  }
  for (const [reason, files] of byReason) say(`  skipped ${files.length}: ${reason}, such as ${files[0].name}`);
}

/** Trains a new run in `out` and evaluates it on the held-out subjects. */
export async function beginRun(
  options: TrainOptions & { model: string; data: string },
  out: string | undefined,
  session: SessionOptions,
): Promise<Outcome> {
  const path = out ?? join('runs', `${options.model}-${timestamp()}`);
  if (existsSync(join(path, 'config.json'))) throw holdsRun(path);
  const prepared = await prepare(options, session);
  if (!prepared) return { run: path, state: 'interrupted' };
  const { config } = prepared;
  const trainer = await ClassifierTrainer.create(config, {
    start: true,
    cached: config.cache !== null,
    say: session.say,
  });
  describeTrainer(trainer, session.say);
  const run = await RunFolder.create(path, trainer.config);
  await writeSplit(path, prepared.data, prepared.split);
  const { caveat } = prepared;
  await run.log({ event: 'start', step: 0, epoch: 0, device: trainer.deviceName, ...(caveat && { caveat }) });
  session.say(`run folder ${path}`);
  return execute(run, trainer, prepared, startPosition, session);
}

/** One optimiser step and one prediction on real data, then stop: everything but the time it takes is tried. */
export async function dryRun(
  options: TrainOptions & { model: string; data: string },
  session: SessionOptions,
): Promise<Outcome['state']> {
  const prepared = await prepare(options, session);
  if (!prepared) return 'interrupted';
  const { split, store, config } = prepared;
  const trainer = await ClassifierTrainer.create(config, { start: true, say: session.say });
  describeTrainer(trainer, session.say);
  const started = performance.now();
  await trainer.trial(store, split.train);
  session.say(
    `one step of ${plural(config.batchSize, 'picture')} and one prediction: ${formatDuration((performance.now() - started) / 1000)}, compiling included`,
  );
  session.say('dry run: nothing was written');
  trainer.dispose();
  return 'finished';
}

/** Goes on with a run where its last checkpoint stands, or from its beginning when it was stopped before the first one. */
export async function resumeRun(path: string, session: SessionOptions): Promise<Outcome> {
  const config = await readRunConfig(path, trainConfigSchema);
  const checkpoint = existsSync(checkpointPath(path, 'last')) ? await loadCheckpoint(path, 'last') : undefined;
  const position = checkpoint ? positionOf(checkpoint) : startPosition;
  const data = await readDataSet(config.data, { targets: config.targets });
  const split = await readSplit(path, data);
  const trainer = await ClassifierTrainer.create(config, { start: !checkpoint, cached: config.cache !== null });
  if (checkpoint) trainer.restore(checkpoint);
  const run = await RunFolder.resume(path, position);
  await run.log({ event: 'resume', step: position.step, epoch: position.epoch, device: trainer.deviceName });
  session.say(
    position.epoch < config.epochs
      ? `${path} goes on at epoch ${position.epoch + 1} of ${config.epochs}, step ${position.step}`
      : `${path} has done its ${plural(config.epochs, 'epoch')}; what is left is the test`,
  );
  const store = pictureStore(decodedSize(config));
  const unreadable = new Set(split.skipped.map(({ name }) => name));
  const pictures = data.pictures.filter(({ name }) => !unreadable.has(name));
  const readable = { ...data, pictures, skipped: split.skipped };
  const seen = checkpoint?.seen ?? (await seenWith(config, split));
  const caveat = String(run.events.find(({ event }) => event === 'start')?.caveat ?? '');
  return execute(run, trainer, { data: readable, split, store, config, seen, caveat }, position, session);
}

async function execute(
  run: RunFolder,
  trainer: ClassifierTrainer,
  prepared: Prepared,
  position: Position,
  session: SessionOptions,
): Promise<Outcome> {
  const { split, seen } = prepared;
  const { config } = trainer;
  try {
    const stopped = (): Outcome => {
      session.say(`saved; go on with: npx kindergrad train --resume ${run.path}`);
      return { run: run.path, state: 'interrupted' };
    };
    const rows = await rowsOf(trainer, prepared, session);
    if (!rows) return stopped();
    const compiling = progress('compiling kernels');
    await trainer.prepare(compiling.update).finally(compiling.finish);
    const line: Progress = progress(config.model);
    const state = await trainLoop({
      run,
      trainer,
      store: rows,
      split,
      config,
      position,
      seen,
      signal: session.signal,
      onProgress: line.update,
    }).finally(line.finish);
    if (state === 'interrupted') return stopped();
    const evaluation = await finish(run, trainer, prepared, rows, session);
    return { run: run.path, state, evaluation };
  } finally {
    await run.close();
    trainer.dispose();
  }
}

/**
 * The pictures themselves, or the frozen extractor's features of them, computed now where the cache lacks them; nothing
 * when that was interrupted.
 */
async function rowsOf(
  trainer: ClassifierTrainer,
  { split, store }: Prepared,
  { say, signal }: SessionOptions,
): Promise<RowStore | undefined> {
  const { cache, cacheDtype: dtype, cacheDraws: draws } = trainer.config;
  const extractor = cache === null ? undefined : await trainer.extractor();
  if (cache === null || !extractor) return store;
  try {
    return await featureStore(extractor, split, store, { folder: cache, dtype, draws, say, signal });
  } finally {
    extractor.dispose();
  }
}

/** Tests the best weights and writes the report and the model card. */
async function finish(
  run: RunFolder,
  trainer: ClassifierTrainer,
  prepared: Prepared,
  rows: RowStore,
  session: SessionOptions,
) {
  const { data, split, config } = prepared;
  const chosen = split.val.length > 0 ? 'best' : 'last';
  trainer.restoreModel(await loadCheckpoint(run.path, chosen));
  const line = progress('testing');
  const figures = await evaluate(trainer, rows, split.test, line.update).finally(line.finish);
  const evaluation = prepared.caveat ? { ...figures, caveat: prepared.caveat } : figures;
  const { all } = evaluation;
  const last = run.events.at(-1);
  await run.log({
    event: 'test',
    step: last?.step ?? 0,
    epoch: last?.epoch ?? 0,
    checkpoint: chosen,
    accuracy: all.accuracy,
    macroRecall: all.macro.recall,
    macroF1: all.macro.f1,
  });
  await run.logImages(last?.step ?? 0, { 'test/pictures': await sampleSheet(evaluation, data.classes) });
  await writeDocuments(run, trainer, prepared, evaluation);
  const seconds = run.events.reduce((sum, event) => sum + (event.event === 'epoch' ? Number(event.seconds) : 0), 0);
  session.say(formatEvaluation(config.model, data.classes, evaluation));
  session.say(
    `trained for ${formatDuration(seconds)}; tested the ${chosen} checkpoint on ${plural(all.total, 'picture')} of ${prepared.caveat ? 'the held-out' : 'unseen'} subjects`,
  );
  if (config.overfitOneBatch)
    session.say('(one batch, trained on and tested on: only useful to see that the network can learn)');
  session.say(`run     ${run.path}\nreport  ${join(run.path, 'report.html')}`);
  await run.log({ event: 'end', step: last?.step ?? 0, epoch: last?.epoch ?? 0 });
  return evaluation;
}

async function writeDocuments(run: RunFolder, trainer: ClassifierTrainer, prepared: Prepared, evaluation: Evaluation) {
  const { data, split, config } = prepared;
  const { renderReport } = await import('../run/report.ts'); // echarts takes a while to load
  const subjects = new Set(data.pictures.map(({ subject }) => subject)).size;
  const report = await renderReport({
    title: `${config.model} on ${basename(data.folder)}`,
    facts: [
      ['model', `${config.model}, ${trainer.parameterCount.toLocaleString('en')} parameters`],
      [
        'pictures',
        `${split.train.length} train, ${split.val.length} validation, ${split.test.length} test; ${plural(subjects, 'subject')}`,
      ],
      ['training', `${plural(config.epochs, 'epoch')} of batches of ${config.batchSize}, seed ${config.seed}`],
      ['device', trainer.deviceName],
      ['kindergrad', config.version],
    ],
    classes: data.classes,
    events: run.events,
    evaluation,
    skipped: data.skipped,
    config,
  });
  await writeFileAtomic(join(run.path, 'report.html'), report);
  const card = renderModelCard({
    model: config.model,
    classes: data.classes,
    parameters: trainer.parameterCount,
    imageSize: Number(config.modelOptions.imageSize),
    dataFolder: basename(data.folder),
    counts: {
      train: split.train.length,
      val: split.val.length,
      test: split.test.length,
      subjects,
      generated: data.pictures.filter(({ generated }) => generated).length,
      skipped: data.skipped.length,
    },
    epochs: config.epochs,
    seed: config.seed,
    device: trainer.deviceName,
    version: config.version,
    date: new Date().toISOString().slice(0, 10),
    evaluation,
  });
  await writeFileAtomic(join(run.path, 'model-card.md'), card);
}

/** 20261123-214503, local time. */
function timestamp(): string {
  const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString();
  return now.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
}
