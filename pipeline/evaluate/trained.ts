/** Using a trained run: on another data set, or on single pictures. */
import { ConfigError, DataError } from '../../engine/index.ts';
import { checkPictures, decodePicture, pictureStore } from '../dataset/decode.ts';
import { type DataSet, readDataSet } from '../dataset/read.ts';
import { progress } from '../progress.ts';
import { type CheckpointName, loadCheckpoint } from '../run/checkpoint.ts';
import { readRunConfig } from '../run/folder.ts';
import { readSplit } from '../run/split-file.ts';
import { ClassifierTrainer, decodedSize } from '../train/classifier-trainer.ts';
import { type TrainConfig, trainConfigSchema } from '../train/config.ts';
import { evaluate } from '../train/loop.ts';
import type { Evaluation } from './evaluation.ts';

export interface TrainedRun {
  config: TrainConfig;
  checkpoint: CheckpointName;
  network: ClassifierTrainer;
}

/** Opens a run for predictions: its best checkpoint, or its last where it has no best. */
export async function openTrained(run: string, wanted?: CheckpointName): Promise<TrainedRun> {
  const config = await readRunConfig(run, trainConfigSchema);
  const checkpoint = wanted ?? (config.valShare > 0 && !config.overfitOneBatch ? 'best' : 'last');
  const weights = await loadCheckpoint(run, checkpoint);
  const network = await ClassifierTrainer.create(config);
  network.restoreModel(weights);
  return { config, checkpoint, network };
}

/**
 * Evaluates a run. On the data set it was trained on, only the pictures held out for its test count.
 * @param rename class names of the data set to class names of the run, e.g. neutral → normal
 */
export async function evaluateRun(
  run: string,
  trained: TrainedRun,
  folder: string,
  options: { rename?: ReadonlyMap<string, string>; say: (line: string) => void },
): Promise<Evaluation> {
  const { config, network } = trained;
  const read = await readDataSet(folder, { targets: config.targets });
  const data = withClasses(read, config.classes, options.rename ?? new Map());
  const own = folder === config.data && !config.overfitOneBatch;
  const { test } = own ? await readSplit(run, data) : { test: data.pictures };
  options.say(
    own
      ? `${test.length} pictures that the run held out from training (its split.json)`
      : `all ${test.length} pictures of ${folder}`,
  );
  const store = pictureStore(decodedSize(config));
  const reading = progress('reading pictures');
  const checked = await checkPictures({ ...data, pictures: test }, store, reading.update).finally(reading.finish);
  for (const { name, reason } of checked.skipped) options.say(`  skipped ${name}: ${reason}`);
  const line = progress('evaluating');
  return evaluate(network, store, checked.pictures, config, line.update).finally(line.finish);
}

/** The data set with its labels numbered as the run numbers its classes. */
function withClasses(data: DataSet, classes: readonly string[], rename: ReadonlyMap<string, string>): DataSet {
  const index = data.classes.map((name) => classes.indexOf(rename.get(name) ?? name));
  const unknown = data.classes.filter((_, k) => index[k] < 0);
  if (unknown.length > 0) {
    throw new ConfigError(`The run knows ${classes.join(', ')}; ${data.folder} has ${unknown.join(', ')}.`, {
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
  const { config, network } = trained;
  const size = decodedSize(config);
  const rows: FilePrediction[] = [];
  const { microBatch, classes } = config;
  for (let start = 0; start < files.length; start += microBatch) {
    const group = files.slice(start, start + microBatch);
    const decoded = await Promise.all(
      group.map((file) => decodePicture(file, size).catch((error: unknown) => toReason(error))),
    );
    const images = new Uint8Array(microBatch * size * size * 3);
    for (const [i, pixels] of decoded.entries())
      if (typeof pixels !== 'string') images.set(pixels, i * size * size * 3);
    const batch = {
      images,
      labels: new Uint32Array(microBatch),
      targets: new Float32Array(microBatch * classes.length),
      pictures: [],
    };
    const probabilities = await network.probabilities(batch);
    for (const [i, file] of group.entries()) {
      const pixels = decoded[i];
      const own = [...probabilities.subarray(i * classes.length, (i + 1) * classes.length)];
      const predicted = classes[own.indexOf(Math.max(...own))];
      rows.push(typeof pixels === 'string' ? { file, reason: pixels } : { file, predicted, probabilities: own });
    }
  }
  return rows;
}

function toReason(error: unknown): string {
  if (error instanceof DataError) return error.message;
  throw error;
}
