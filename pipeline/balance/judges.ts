/** What generated pictures are judged by beside the discriminator: a classifier, a face detector. */
import sharp from 'sharp';
import type { Judge } from './generate.ts';

export interface JudgeOptions {
  /** A run of `kindergrad train` on real pictures. */
  readonly classifier?: string | undefined;
  readonly detector?: 'tiny' | 'ssd' | undefined;
}

/** The judges that the options name, for one target class. */
export async function judgesFor(to: string, options: JudgeOptions): Promise<Judge[]> {
  const judges: Judge[] = [];
  if (options.classifier) judges.push(await classifierJudge(options.classifier, to));
  if (options.detector) judges.push(await detectorJudge(options.detector));
  return judges;
}

const png = (pixels: Uint8Array, size: number): Promise<Buffer> =>
  sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
    .png()
    .toBuffer();

async function classifierJudge(run: string, to: string): Promise<Judge> {
  const { ConfigError } = await import('../../engine/index.ts');
  const { openTrained, predictPictures } = await import('../evaluate/trained.ts');
  const trained = await openTrained(run);
  const target = trained.config.classes.indexOf(to);
  if (target < 0) {
    throw new ConfigError(`--classifier ${run} knows ${trained.config.classes.join(', ')}, not ${to}.`, {
      remedy: 'Train it on the real pictures of this data set.',
    });
  }
  return async (pictures) => {
    const files = await Promise.all(pictures.map(({ pixels, size }) => png(pixels, size)));
    const rows = await predictPictures(trained, files);
    return rows.map(({ probabilities }) => ({ target: probabilities?.[target] ?? 0 }));
  };
}

async function detectorJudge(name: 'tiny' | 'ssd'): Promise<Judge> {
  const { loadDetector } = await import('../prepare/detectors.ts');
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
