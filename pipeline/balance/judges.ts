/** What generated pictures are judged by beside the discriminator: a classifier, a face detector. */
import { stat } from 'node:fs/promises';
import sharp from 'sharp';
import { ConfigError, currentDevice, setDevice } from '../../engine/index.ts';
import type { FaceDetector } from '../../models/face-detector/detector.ts';
import { describePictures, describeTrained, openTrained, type TrainedRun } from '../evaluate/trained.ts';
import { fileErrorReason } from '../files.ts';
import { loadDetector } from '../prepare/detectors.ts';
import { checkpointPath } from '../run/checkpoint.ts';
import type { Opinion } from './candidates.ts';
import { type Features, type Quality, quality } from './quality.ts';

export interface JudgeOptions {
  /** A run of `kindergrad train` on real pictures. */
  readonly classifier?: string | undefined;
  readonly detector?: 'tiny' | 'ssd' | undefined;
}

export interface Judges {
  /** Who judges, in words: pictures that the same ones have judged are not judged again. Empty for nobody. */
  readonly name: string;
  /** Opinions of encoded pictures as pictures of the class `to`. */
  judge(to: string, pictures: readonly Uint8Array[]): Promise<Opinion[]>;
  /** How far generated pictures are from real ones, where there is an extractor of features; takes their files. */
  readonly measure?: (real: readonly string[], generated: readonly string[]) => Promise<Quality>;
  close(): Promise<void>;
}

/**
 * The judges that the options name. They are checked now, so that a wrong name is not found after a night of training,
 * and opened when they are first asked.
 * @param classes those that pictures are made of
 * @throws ConfigError when the classifier is no run, or does not know one of the classes.
 */
export async function findJudges(classes: readonly string[], options: JudgeOptions): Promise<Judges> {
  const { classifier: run, detector: detectorName } = options;
  const classifierName = run && (await checkClassifier(run, classes));
  let classifier: Promise<TrainedRun> | undefined;
  let detector: Promise<FaceDetector> | undefined;
  const opened = (path: string) => {
    classifier ??= openClassifier(path);
    return classifier;
  };
  return {
    name: [classifierName, detectorName && `${detectorName} detector`].filter(Boolean).join(', '),
    async judge(to, pictures) {
      const targets = run && (await targetsOf(await opened(run), to, pictures));
      if (detectorName) detector ??= loadDetector({ detector: detectorName, confidence: 0.3, inputSize: 256 });
      const faces = detector && (await facesIn(await detector, pictures));
      return pictures.map((_, i) => ({ ...(targets && { target: targets[i] }), ...(faces && { face: faces[i] }) }));
    },
    ...(run && {
      measure: async (real: readonly string[], generated: readonly string[]) =>
        quality(await featuresOf(await opened(run), real), await featuresOf(await opened(run), generated)),
    }),
    async close() {
      (await classifier)?.network.dispose();
      (await detector)?.dispose();
    },
  };
}

/** @returns its name; a run that was trained on is another judge */
async function checkClassifier(run: string, classes: readonly string[]): Promise<string> {
  const { config, checkpoint } = await describeTrained(run);
  const unknown = classes.find((name) => !config.classes.includes(name));
  if (unknown !== undefined) {
    throw new ConfigError(`--classifier ${run} knows ${config.classes.join(', ')}, not ${unknown}.`, {
      remedy: 'Train it on the real pictures of this data set.',
    });
  }
  const { mtime } = await stat(checkpointPath(run, checkpoint)).catch((error: unknown) => {
    throw new ConfigError(`--classifier ${run} has no checkpoint "${checkpoint}": ${fileErrorReason(error)}.`, {
      remedy: `Finish its training: kindergrad train --resume ${run}`,
    });
  });
  return `classifier ${run} of ${mtime.toISOString()}`;
}

async function openClassifier(run: string): Promise<TrainedRun> {
  const device = currentDevice();
  const trained = await openTrained(run);
  setDevice(device); // the classifier has opened one of its own; new tensors belong to ours
  return trained;
}

async function targetsOf(trained: TrainedRun, to: string, pictures: readonly Uint8Array[]): Promise<number[]> {
  const { probabilities } = await describePictures(trained, pictures);
  const target = trained.config.classes.indexOf(to);
  return probabilities.map((row) => row[target]);
}

async function featuresOf(trained: TrainedRun, pictures: readonly string[]): Promise<Features> {
  const { features } = await describePictures(trained, pictures);
  const width = features[0]?.length ?? 0;
  return { rows: features.length, width, values: Float64Array.from(features.flatMap((f) => [...f])) };
}

async function facesIn(detector: FaceDetector, pictures: readonly Uint8Array[]): Promise<boolean[]> {
  // A tight crop leaves a detector no border to see the head by: half a picture of its own colours around it.
  const framed = await Promise.all(
    pictures.map(async (png) => {
      const { width = 0 } = await sharp(png).metadata();
      const border = Math.floor(width / 4);
      const { data, info } = await sharp(png)
        .extend({ top: border, bottom: border, left: border, right: border, extendWith: 'copy' })
        .raw()
        .toBuffer({ resolveWithObject: true });
      return { width: info.width, height: info.height, data: new Uint8Array(data) };
    }),
  );
  return (await detector.detect(framed)).map((found) => found.length > 0);
}
