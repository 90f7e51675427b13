import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CheckpointError } from '../../engine/errors.ts';
import type { FaceDetector } from '../../models/face-detector/detector.ts';
import { type FaceLandmarks, loadLandmarks } from '../../models/face-detector/landmarks.ts';
import { loadSsdDetector } from '../../models/face-detector/ssd.ts';
import { loadTinyDetector } from '../../models/face-detector/tiny.ts';
import { readWeights, type Weights } from '../../models/face-detector/weights.ts';
import { fileErrorReason } from '../files.ts';
import { type InTurn, inTurn } from './in-turn.ts';
import type { PrepareOptions } from './options.ts';

/** The weights of a model inside the npm package @vladmandic/face-api (MIT), e.g. 'tiny_face_detector_model'. */
async function packagedWeights(name: string): Promise<Weights> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')), 'model');
  try {
    const manifest = await readFile(join(folder, `${name}-weights_manifest.json`), 'utf8');
    return readWeights(manifest, await readFile(join(folder, `${name}.bin`)), name);
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new CheckpointError(`The weights ${name} cannot be read: ${fileErrorReason(error)}.`, {
      remedy: 'Install the packages again: npm ci.',
      cause: error,
    });
  }
}

/**
 * The detector that the options ask for, on the open device. `gpu` keeps it and other users of the device from running
 * in between each other.
 */
export async function loadDetector(
  options: Pick<PrepareOptions, 'detector' | 'confidence' | 'inputSize'>,
  gpu: InTurn = inTurn(),
): Promise<FaceDetector> {
  const { detector: name, confidence, inputSize } = options;
  const detector =
    name === 'ssd'
      ? loadSsdDetector(await packagedWeights('ssd_mobilenetv1_model'), { confidence })
      : loadTinyDetector(await packagedWeights('tiny_face_detector_model'), { confidence, inputSize });
  return { ...detector, detect: (pictures) => gpu(() => detector.detect(pictures)) };
}

/** Finds eyes, for --align. */
export async function loadFaceLandmarks(gpu: InTurn = inTurn()): Promise<FaceLandmarks> {
  const landmarks = loadLandmarks(await packagedWeights('face_landmark_68_model'));
  return { ...landmarks, find: (pictures) => gpu(() => landmarks.find(pictures)) };
}
