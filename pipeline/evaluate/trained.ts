/** Using a trained run: on another data set, or on single pictures. */
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConfigError, DataError } from '../../engine/index.ts';
import { checkPictures, decodePicture, hashPictures, pictureStore } from '../dataset/decode.ts';
import { type DataSet, readDataSet } from '../dataset/read.ts';
import type { SplitResult } from '../dataset/split.ts';
import { plural } from '../plural.ts';
import { progress } from '../progress.ts';
import { type CheckpointName, checkpointPath, loadCheckpoint } from '../run/checkpoint.ts';
import { readRunConfig } from '../run/folder.ts';
import { knownTo, type Seen } from '../run/seen.ts';
import { findSplit, readSplit } from '../run/split-file.ts';
import { ClassifierTrainer, decodedSize } from '../train/classifier-trainer.ts';
import { type TrainConfig, trainConfigSchema } from '../train/config.ts';
import { evaluate } from '../train/loop.ts';
import type { Evaluation } from './evaluation.ts';

export interface TrainedRun {
  config: TrainConfig;
  checkpoint: CheckpointName;
  network: ClassifierTrainer;
  /** Whom its weights have seen; runs of earlier versions do not say. */
  seen?: Seen;
}

/** The options of a run, and which of its checkpoints predictions are made with; loads nothing. */
export async function describeTrained(run: string, wanted?: CheckpointName): Promise<Omit<TrainedRun, 'network'>> {
  const config = await readRunConfig(run, trainConfigSchema);
  // Whether there were validation pictures, the manifest decides as well as --val-share.
  return { config, checkpoint: wanted ?? (existsSync(checkpointPath(run, 'best')) ? 'best' : 'last') };
}

/** Opens a run for predictions: its best checkpoint, or its last where it has no best. */
export async function openTrained(run: string, wanted?: CheckpointName): Promise<TrainedRun> {
  const { config, checkpoint } = await describeTrained(run, wanted);
  const weights = await loadCheckpoint(run, checkpoint);
  const network = await ClassifierTrainer.create(config);
  network.restoreModel(weights);
  return { config, checkpoint, network, ...(weights.seen && { seen: weights.seen }) };
}

export interface EvaluateOptions {
  /** Class names of the data set to class names of the run, e.g. neutral → normal. */
  rename?: ReadonlyMap<string, string>;
  /** Every picture, also those of the run's own training. */
  all?: boolean;
  say: (line: string) => void;
}

/**
 * Evaluates a run. On the data set it was trained on, moved or not, only the pictures held out for its test count; on any
 * other one the result says how many pictures show subjects that the network has seen.
 */
export async function evaluateRun(
  run: string,
  trained: TrainedRun,
  folder: string,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { config, network } = trained;
  const { say } = options;
  const read = await readDataSet(folder, { targets: config.targets });
  const comparing = progress('comparing pictures');
  const hashed = await hashPictures(read, comparing.update).finally(comparing.finish);
  const data = withClasses(hashed, config.classes, options.rename ?? new Map());
  const whole = options.all === true || config.overfitOneBatch;
  const split = whole ? undefined : await ownSplit(run, config.data, data);
  say(split ? describeHeldOut(data, split) : `all ${plural(data.pictures.length, 'picture')} of ${folder}`);
  const store = pictureStore(decodedSize(config));
  const reading = progress('reading pictures');
  const chosen = { ...data, pictures: split?.test ?? data.pictures };
  const checked = await checkPictures(chosen, store, reading.update).finally(reading.finish);
  for (const { name, reason } of checked.skipped) say(`  skipped ${name}: ${reason}`);
  const line = progress('evaluating');
  const evaluation = await evaluate(network, store, checked.pictures, line.update).finally(line.finish);
  return withCaveat(evaluation, data, trained.seen, split !== undefined);
}

/** The split of a run on its own data set: in the folder it was trained on, or where that was moved or copied to. */
async function ownSplit(run: string, own: string, data: DataSet): Promise<SplitResult | undefined> {
  return (await isSameFolder(data.folder, own)) ? readSplit(run, data) : findSplit(run, data);
}

function describeHeldOut(data: DataSet, { train, val, test, leftOut }: SplitResult): string {
  const others = data.pictures.length - new Set([...train, ...val, ...test, ...leftOut]).size;
  const unknown = others > 0 ? `; the run does not know ${others} of the others, which --all tests, too` : '';
  return `${plural(test.length, 'picture')} that the run held out from training (its split.json)${unknown}`;
}

/** Says of an evaluation how far it is none of new faces. @param heldOut whether the run itself held these pictures out */
function withCaveat(evaluation: Evaluation, data: DataSet, seen: Seen | undefined, heldOut: boolean): Evaluation {
  if (!seen) {
    const caveat =
      'The run was made by an earlier version and does not say whom it has seen: whether these are new faces cannot be told.';
    return heldOut ? evaluation : { ...evaluation, caveat };
  }
  const { subjects, namesakes } = knownTo(seen, data.pictures, ['trained', 'chosenBy']);
  const of = (who: ReadonlySet<string>) => evaluation.predictions.filter(({ picture }) => who.has(picture.subject));
  const known = of(subjects);
  if (known.length > 0) {
    const names = new Set(known.map(({ picture }) => picture.name));
    const others = evaluation.predictions.filter(({ picture }) => !names.has(picture.name));
    const right = others.filter(({ picture, predicted }) => predicted === picture.label).length;
    const rest =
      others.length > 0
        ? `of the other ${others.length} it has ${((100 * right) / others.length).toFixed(1)} % right`
        : 'none shows a new face';
    const shown = shows(known.length, evaluation.predictions.length);
    return {
      ...evaluation,
      known: names,
      caveat: `${shown} subjects that the network was trained on or chosen by; ${rest}.`,
    };
  }
  // What the run held out is known by its bytes; names of other runs' subjects on its way were compared when it began.
  const alike = heldOut ? [] : of(namesakes);
  if (alike.length === 0) return evaluation;
  const shown = shows(alike.length, evaluation.predictions.length);
  const caveat = `${shown} subjects with the name of one that the network has seen in other pictures: if they are the same children, these are no figures of new faces.`;
  return { ...evaluation, caveat };
}

const shows = (some: number, all: number) =>
  `${some} of these ${plural(all, 'picture')} ${some === 1 ? 'shows' : 'show'}`;

/** Whether both paths lead to one folder, be it through a link. */
async function isSameFolder(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([a, b].map((path) => realpath(path).catch(() => resolve(path))));
  return one === other;
}

/** The data set with its labels numbered as the run numbers its classes. */
function withClasses(data: DataSet, classes: readonly string[], rename: ReadonlyMap<string, string>): DataSet {
  const index = data.classes.map((name) => classes.indexOf(rename.get(name) ?? name));
  const unknown = data.classes.filter((_, k) => index[k] < 0);
  if (unknown.length > 0) {
    const found = unknown.map((name) => (rename.has(name) ? `${name}, mapped to ${rename.get(name)}` : name));
    throw new ConfigError(`The run knows ${classes.join(', ')}; ${data.folder} has ${found.join(', ')}.`, {
      remedy: `Say which class is meant, for example: --map ${unknown[0]}=${classes[0]}`,
    });
  }
  const pictures = data.pictures.map((picture) => {
    const target = classes.map((_, k) =>
      picture.target.reduce((sum, share, from) => sum + (index[from] === k ? share : 0), 0),
    );
    return { ...picture, label: index[picture.label], target };
  });
  return { ...data, classes, pictures };
}

export interface FilePrediction {
  file: string;
  /** Undefined with `reason` where the file could not be used. */
  predicted?: string;
  probabilities?: readonly number[];
  reason?: string;
}

/** Predicts single files, one row each; files that are no pictures get a reason instead of a class. */
export async function predictFiles(trained: TrainedRun, files: readonly string[]): Promise<FilePrediction[]> {
  const { classes } = trained.config;
  const rows: FilePrediction[] = [];
  for await (const { batch, pictures } of pictureBatches(trained, files)) {
    const probabilities = await trained.network.probabilities(batch);
    for (const [i, { picture: file, reason }] of pictures.entries()) {
      const own = [...probabilities.subarray(i * classes.length, (i + 1) * classes.length)];
      const predicted = classes[own.indexOf(Math.max(...own))];
      rows.push(reason === undefined ? { file, predicted, probabilities: own } : { file, reason });
    }
  }
  return rows;
}

/** Class probabilities and feature vectors of encoded pictures, all of which must be readable. */
export async function describePictures(
  trained: TrainedRun,
  pictures: readonly (string | Uint8Array)[],
): Promise<{ probabilities: Float32Array[]; features: Float32Array[] }> {
  const classes = trained.config.classes.length;
  const out = { probabilities: [] as Float32Array[], features: [] as Float32Array[] };
  for await (const { batch, pictures: group } of pictureBatches(trained, pictures)) {
    const bad = group.find(({ reason }) => reason !== undefined);
    if (bad) throw new DataError(`A picture ${bad.reason}.`);
    const probabilities = await trained.network.probabilities(batch);
    const { width, values } = await trained.network.features(batch);
    for (let i = 0; i < group.length; i++) {
      out.probabilities.push(probabilities.slice(i * classes, (i + 1) * classes));
      out.features.push(values.slice(i * width, (i + 1) * width));
    }
  }
  return out;
}

/** Decodes pictures into batches of the size that the network takes. */
async function* pictureBatches<P extends string | Uint8Array>({ config, network }: TrainedRun, pictures: readonly P[]) {
  const size = decodedSize(config);
  const { microBatch } = network.config;
  for (let start = 0; start < pictures.length; start += microBatch) {
    const group = pictures.slice(start, start + microBatch);
    const decoded = await Promise.all(
      group.map((picture) => decodePicture(picture, size).catch((error: unknown) => toReason(error))),
    );
    const images = new Uint8Array(microBatch * size * size * 3);
    for (const [i, pixels] of decoded.entries())
      if (typeof pixels !== 'string') images.set(pixels, i * size * size * 3);
    const batch = {
      images,
      labels: new Uint32Array(microBatch),
      targets: new Float32Array(microBatch * config.classes.length),
      pictures: [],
    };
    const reasons = decoded.map((pixels) => (typeof pixels === 'string' ? pixels : undefined));
    yield { batch, pictures: group.map((picture, i) => ({ picture, reason: reasons[i] })) };
  }
}

function toReason(error: unknown): string {
  if (error instanceof DataError) return error.message;
  throw error;
}
