/** The training loop: epochs, validation, checkpoints, the log, a clean stop. Knows nothing of kernels or files' formats. */
import { z } from 'zod';
import { CheckpointError, KindergradError } from '../../engine/index.ts';
import { batches, epochOrder, type RowStore } from '../dataset/batches.ts';
import type { Picture } from '../dataset/read.ts';
import type { SplitResult } from '../dataset/split.ts';
import { type Evaluation, evaluatePredictions } from '../evaluate/evaluation.ts';
import { type Checkpoint, saveCheckpoint } from '../run/checkpoint.ts';
import type { RunFolder } from '../run/folder.ts';
import type { Seen } from '../run/seen.ts';
import { learningRate, type TrainConfig } from './config.ts';
import type { Predictor, StepFigures, Trainer } from './trainer.ts';

/** Training went wrong in a way that going on cannot mend. */
class TrainingError extends KindergradError {
  override name = 'TrainingError';
}

const positionSchema = z.object({
  /** The epoch under way, the next batch in it, optimiser steps done in all. */
  epoch: z.int().nonnegative(),
  batch: z.int().nonnegative(),
  step: z.int().nonnegative(),
  /** Sums over the steps of this epoch. */
  loss: z.number(),
  correct: z.number(),
  seconds: z.number(),
  best: z.object({ epoch: z.int(), accuracy: z.number() }).nullable(),
});

/** Where a run stands; part of every checkpoint. */
export type Position = z.infer<typeof positionSchema>;

export const startPosition: Position = { epoch: 0, batch: 0, step: 0, loss: 0, correct: 0, seconds: 0, best: null };

/** The position stored in a checkpoint. @throws CheckpointError when it has none. */
export function positionOf(checkpoint: Checkpoint): Position {
  const parsed = z.object({ position: positionSchema }).safeParse(checkpoint.state);
  if (parsed.success) return { ...parsed.data.position };
  throw new CheckpointError('The checkpoint does not say where its run stands.', {
    remedy: 'Resume from a checkpoints/last.safetensors that `kindergrad train` wrote.',
  });
}

export interface LoopInput {
  run: RunFolder;
  trainer: Trainer;
  store: RowStore;
  split: Pick<SplitResult, 'train' | 'val'>;
  config: TrainConfig;
  position: Position;
  /** Whom the weights will have seen; goes into every checkpoint. */
  seen: Seen;
  /** Aborting it saves and ends the loop after the step under way. */
  signal: AbortSignal;
  onProgress?: (stepsDone: number, stepsInAll: number, detail: string) => void;
}

/** How often figures are fetched: seldom enough to cost nothing, often enough to watch and to stop soon. */
const fetchSeconds = 0.5;
const fetchSteps = 16;

interface Submitted {
  step: number;
  epoch: number;
  lr: number;
}

/** Trains from `position` to the last epoch. @returns whether it got there or was asked to stop. */
export async function trainLoop(input: LoopInput): Promise<'finished' | 'interrupted'> {
  const { run, trainer, store, split, config, signal } = input;
  const position = { ...input.position };
  const stepsPerEpoch = Math.floor(split.train.length / config.batchSize);
  let validation = '';
  let savedAt = performance.now();

  const log = async (steps: readonly Submitted[], rows: readonly StepFigures[]) => {
    for (const [i, { correct, ...losses }] of rows.entries()) {
      const at = steps[i];
      if (!Number.isFinite(losses.loss)) throw divergence(run.path, at.step, losses.loss);
      position.loss += losses.loss;
      position.correct += correct;
      await run.log({ event: 'step', ...at, ...losses });
      const accuracy = ((100 * correct) / config.batchSize).toFixed(0);
      const detail = `epoch ${at.epoch + 1}/${config.epochs}  loss ${losses.loss.toFixed(3)}  batch ${accuracy} %${validation}`;
      input.onProgress?.(at.step, stepsPerEpoch * config.epochs, detail);
    }
  };
  // Two groups of steps are under way at any time: the device works on one while the other's figures come back.
  let submitted: Submitted[] = [];
  let fetching: Promise<void> = Promise.resolve();
  let groupStart = performance.now();
  let groupSize = 1;
  const fetchFigures = async () => {
    const steps = submitted;
    submitted = [];
    const rows = trainer.figures();
    const before = fetching;
    fetching = (async () => {
      await before;
      await log(steps, await rows);
    })();
    fetching.catch(() => undefined); // thrown by the next `await before` or settle()
    await before;
    const seconds = (performance.now() - groupStart) / 1000;
    groupStart = performance.now();
    groupSize = Math.max(1, Math.min(fetchSteps, Math.round((groupSize * fetchSeconds) / seconds)));
  };
  const settle = async () => {
    await fetchFigures();
    await fetching;
  };
  const save = async () => {
    await settle();
    const checkpoint = await trainer.save();
    checkFinite(checkpoint, run.path);
    const state = { ...asRecord(checkpoint.state), position };
    await saveCheckpoint(run.path, 'last', { ...checkpoint, state, seen: input.seen });
    savedAt = performance.now();
  };

  while (position.epoch < config.epochs) {
    let tick = performance.now();
    const order = config.overfitOneBatch ? split.train : epochOrder(split.train, config.seed, position.epoch);
    const options = { batchSize: config.batchSize, dropLast: true, start: position.batch, epoch: position.epoch };
    for await (const batch of batches(store, order, options)) {
      const lr = learningRate(config, position.step, stepsPerEpoch);
      await trainer.step(batch, lr);
      position.batch += 1;
      position.step += 1;
      submitted.push({ step: position.step, epoch: position.epoch, lr });
      if (submitted.length >= groupSize) await fetchFigures();
      const due = performance.now() - savedAt > config.checkpointMinutes * 60_000;
      if (!due && !signal.aborted) continue;
      position.seconds += (performance.now() - tick) / 1000;
      tick = performance.now();
      await save();
      if (!signal.aborted) continue;
      await run.log({ event: 'interrupted', step: position.step, epoch: position.epoch });
      return 'interrupted';
    }
    await settle();
    const epoch = {
      trainLoss: position.loss / stepsPerEpoch,
      trainAccuracy: position.correct / (stepsPerEpoch * config.batchSize),
      ...(await validate(input)),
      seconds: position.seconds + (performance.now() - tick) / 1000,
    };
    if (epoch.valAccuracy !== undefined) {
      validation = `  validation ${(100 * epoch.valAccuracy).toFixed(1)} %`;
      if (epoch.valAccuracy > (position.best?.accuracy ?? -1)) {
        position.best = { epoch: position.epoch, accuracy: epoch.valAccuracy };
        await saveBest(input, position);
      }
    }
    await run.log({ event: 'epoch', step: position.step, epoch: position.epoch, ...epoch });
    Object.assign(position, { epoch: position.epoch + 1, batch: 0, loss: 0, correct: 0, seconds: 0 });
    await save();
  }
  return 'finished';
}

async function validate({ trainer, store, split }: LoopInput): Promise<{ valLoss?: number; valAccuracy?: number }> {
  if (split.val.length === 0) return {};
  const { all, predictions } = await evaluate(trainer, store, split.val);
  const loss = predictions.reduce((sum, { picture, probabilities }) => {
    return sum - Math.log(Math.max(1e-30, probabilities[picture.label]));
  }, 0);
  return { valLoss: loss / predictions.length, valAccuracy: all.accuracy };
}

async function saveBest({ run, trainer, seen }: LoopInput, position: Position): Promise<void> {
  const checkpoint = await trainer.saveModel();
  checkFinite(checkpoint, run.path);
  await saveCheckpoint(run.path, 'best', {
    ...checkpoint,
    state: { ...asRecord(checkpoint.state), best: position.best },
    seen,
  });
}

/** Predicts every picture and counts. */
export async function evaluate(
  predictor: Predictor,
  store: RowStore,
  pictures: readonly Picture[],
  onProgress?: (done: number, total: number) => void,
): Promise<Evaluation> {
  const { microBatch } = predictor.config;
  const classes = predictor.config.classes.length;
  const probabilities = new Float32Array(pictures.length * classes);
  let done = 0;
  for await (const batch of batches(store, pictures, { batchSize: microBatch })) {
    const rows = await predictor.probabilities(batch);
    probabilities.set(rows.subarray(0, batch.pictures.length * classes), done * classes);
    done += batch.pictures.length;
    onProgress?.(done, pictures.length);
  }
  return evaluatePredictions(pictures, probabilities, classes);
}

const asRecord = (value: unknown) => (typeof value === 'object' && value !== null ? value : {});

/** A checkpoint with a NaN in it would replace a good one with a useless one. */
function checkFinite(checkpoint: Checkpoint, run: string): void {
  for (const [name, { dtype, data }] of checkpoint.tensors) {
    if (dtype !== 'F32') continue;
    const values = new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4);
    if (values.every(Number.isFinite)) continue;
    throw new TrainingError(`${name} holds a value that is not a number; it was not saved.`, { remedy: remedy(run) });
  }
}

function divergence(run: string, step: number, loss: number): TrainingError {
  return new TrainingError(`The loss became ${loss} at step ${step}.`, { remedy: remedy(run) });
}

const remedy = (run: string) =>
  `The last good checkpoint is in ${run}/checkpoints. Train again with a smaller --lr, or look at the data of the last steps in ${run}/events.jsonl.`;
