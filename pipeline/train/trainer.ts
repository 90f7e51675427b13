/** What the training loop asks of a network with its loss and optimiser on a device. */
import type { Batch, Row } from '../dataset/batches.ts';
import type { Checkpoint } from '../run/checkpoint.ts';
import type { TrainConfig } from './config.ts';

/** Means over the batch of one step. */
export interface StepFigures {
  loss: number;
  crossEntropy: number;
  /** λ times the centre or distance loss. */
  distanceLoss: number;
  /** Pictures whose largest output is the label's. */
  correct: number;
}

export interface Predictor {
  /** With the micro-batch that fits the device, which a run's own config need not be. */
  readonly config: Pick<TrainConfig, 'microBatch' | 'classes'>;
  /** Class probabilities [batch, classes] of one micro-batch, rows beyond its pictures included. */
  probabilities(batch: Batch<Row>): Promise<Float32Array>;
}

export interface Trainer extends Predictor {
  /** Submits one optimiser step. Nothing waits for the device. */
  step(batch: Batch<Row>, learningRate: number): Promise<void>;
  /** The figures of the steps since the last call, in order, once the device has got there. */
  figures(): Promise<readonly StepFigures[]>;
  /** All that a resumed run needs: network, optimiser, loss, generator. */
  save(): Promise<Checkpoint>;
  /** The network alone. */
  saveModel(): Promise<Checkpoint>;
  restore(checkpoint: Checkpoint): void;
  restoreModel(checkpoint: Checkpoint): void;
  dispose(): void;
}
