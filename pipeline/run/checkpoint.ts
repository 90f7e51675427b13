/**
 * Checkpoints: one safetensors file with every tensor, and the rest of the state (epoch, step, …) as JSON under
 * "state" in its metadata. One file, replaced in one piece: weights and state cannot come from different moments.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../../engine/errors.ts';
import { readSafetensors, type StoredTensor, writeSafetensors } from '../../engine/safetensors.ts';
import { fileErrorReason, writeFileAtomic } from '../files.ts';
import { type Seen, seenFromMetadata, seenToMetadata } from './seen.ts';

export type CheckpointName = 'last' | 'best';

export interface Checkpoint {
  tensors: Map<string, StoredTensor>;
  /** Plain JSON. */
  state: unknown;
  /** Whom the weights have seen; absent in checkpoints of earlier versions. */
  seen?: Seen;
}

export const checkpointPath = (run: string, name: CheckpointName) => join(run, 'checkpoints', `${name}.safetensors`);

/** @throws DataError when it cannot be written (a full disk); the checkpoint that was there stays. */
export async function saveCheckpoint(run: string, name: CheckpointName, checkpoint: Checkpoint): Promise<void> {
  const { tensors, state, seen } = checkpoint;
  const bytes = writeSafetensors(tensors, { state: JSON.stringify(state), ...seenToMetadata(seen) });
  await writeFileAtomic(checkpointPath(run, name), bytes, `Free some space, then go on with --resume ${run}`);
}

/** @throws CheckpointError naming the file when it is missing or damaged. */
export async function loadCheckpoint(run: string, name: CheckpointName): Promise<Checkpoint> {
  const path = checkpointPath(run, name);
  const other = name === 'last' ? 'best' : 'last';
  try {
    const { tensors, metadata } = readSafetensors(await readFile(path));
    const seen = seenFromMetadata(metadata);
    return { tensors, state: JSON.parse(metadata.state ?? 'null'), ...(seen && { seen }) };
  } catch (error) {
    const reason = error instanceof CheckpointError ? error.message.split('\n')[0] : fileErrorReason(error);
    throw new CheckpointError(`${path} cannot be loaded: ${reason}`, {
      remedy: `Try the other checkpoint of this run (--checkpoint ${other}), or train again.`,
      cause: error,
    });
  }
}
