/** What generated pictures are judged by beside the discriminator: a classifier, a face detector. */
import sharp from 'sharp';
import { ConfigError, currentDevice, setDevice } from '../../engine/index.ts';
import { describePictures, openTrained, type TrainedRun } from '../evaluate/trained.ts';
import { loadDetector } from '../prepare/detectors.ts';
import type { Judge } from './generate.ts';
import { type Features, type Quality, quality } from './quality.ts';

export interface JudgeOptions {
  /** A run of `kindergrad train` on real pictures. */
  readonly classifier?: string | undefined;
  readonly detector?: 'tiny' | 'ssd' | undefined;
}

/** The judges that the options name, for one target class, and the measure of quality where there is an extractor. */
export async function judgesFor(
  to: string,
  options: JudgeOptions,
): Promise<{ judges: Judge[]; measure?: Measure | undefined }> {
  const judges: Judge[] = [];
  let measure: Measure | undefined;
  if (options.classifier) {
    const trained = await openClassifier(options.classifier, to);
    judges.push(classifierJudge(trained, trained.config.classes.indexOf(to)));
    measure = async (real, generated) => quality(await featuresOf(trained, real), await featuresOf(trained, generated));
  }
  if (options.detector) judges.push(await detectorJudge(options.detector));
  return { judges, measure };
}

/** How far generated pictures are from real ones; encoded pictures or their files. */
export type Measure = (
  real: readonly (string | Uint8Array)[],
  generated: readonly (string | Uint8Array)[],
) => Promise<Quality>;

const png = (pixels: Uint8Array, size: number): Promise<Buffer> =>
  sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
    .png()
    .toBuffer();

async function openClassifier(run: string, to: string): Promise<TrainedRun> {
  const device = currentDevice();
  const trained = await openTrained(run);
  setDevice(device); // the classifier has opened one of its own; new tensors belong to ours
  if (trained.config.classes.includes(to)) return trained;
  throw new ConfigError(`--classifier ${run} knows ${trained.config.classes.join(', ')}, not ${to}.`, {
    remedy: 'Train it on the real pictures of this data set.',
  });
}

function classifierJudge(trained: TrainedRun, target: number): Judge {
  return async (pictures) => {
    const files = await Promise.all(pictures.map(({ pixels, size }) => png(pixels, size)));
    const { probabilities } = await describePictures(trained, files);
    return probabilities.map((row) => ({ target: row[target] }));
  };
}

async function featuresOf(trained: TrainedRun, pictures: readonly (string | Uint8Array)[]): Promise<Features> {
  const { features } = await describePictures(trained, pictures);
  const width = features[0]?.length ?? 0;
  return { rows: features.length, width, values: Float64Array.from(features.flatMap((f) => [...f])) };
}

async function detectorJudge(name: 'tiny' | 'ssd'): Promise<Judge> {
  const detector = await loadDetector({ detector: name, confidence: 0.3, inputSize: 256 });
  return async (pictures) => {
    // A tight crop leaves a detector no border to see the head by: half a picture of its own colours around it.
    const framed = await Promise.all(
      pictures.map(async ({ pixels, size }) => {
        const border = Math.floor(size / 4);
        const { data, info } = await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
          .extend({ top: border, bottom: border, left: border, right: border, extendWith: 'copy' })
          .raw()
          .toBuffer({ resolveWithObject: true });
        return { width: info.width, height: info.height, data: new Uint8Array(data) };
      }),
    );
    const faces = await detector.detect(framed);
    return faces.map((found) => ({ face: found.length > 0 }));
  };
}
