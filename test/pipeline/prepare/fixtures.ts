/** Real faces for the tests, from the sample pictures inside the npm package @vladmandic/face-api. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll } from 'vitest';
import type { Picture } from '../../../models/face-detector/detector.ts';

const samples = join(dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')), 'demo');

/** Path of sample picture 1 to 6; all show several adults. */
export const samplePath = (number: number): string => join(samples, `sample${number}.jpg`);

/** The left woman of sample 1 alone: one upright face of about 180×240 pixels in 500×600. */
export const oneFace = (): Sharp => sharp(samplePath(1)).extract({ left: 250, top: 180, width: 500, height: 600 });

/** The person in the middle of sample 1 alone. */
export const otherFace = (): Sharp => sharp(samplePath(1)).extract({ left: 680, top: 250, width: 500, height: 600 });

/** No face: a soft gradient. */
export const noFace = (width = 640, height = 480): Sharp => {
  const data = Buffer.alloc(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = Math.floor((255 * i) / data.length);
  return sharp(data, { raw: { width, height, channels: 3 } });
};

export async function toPicture(image: Sharp): Promise<Picture> {
  const { data, info } = await image.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** A sample picture as the pipeline hands it to a detector: no larger than what that looks at. */
export const shrunkSample = (number: number, side: number): Promise<Picture> =>
  toPicture(sharp(samplePath(number)).resize(side, side, { fit: 'inside', withoutEnlargement: true }));

/** A folder for one test file, removed after it. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kindergrad prepare ')); // a name with spaces on purpose
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const program = join(import.meta.dirname, '..', '..', '..', 'bin', 'kindergrad.mjs');

/** Runs the command line in a process of its own; `onOutput` sees what it says as it goes, and may kill it. */
export function kindergrad(
  argv: readonly string[],
  options: { env?: NodeJS.ProcessEnv; uid?: number; onOutput?: (text: string, kill: () => void) => void } = {},
): Promise<Finished> {
  const { env, uid, onOutput } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...argv], {
      env: { ...process.env, ...env },
      ...(uid === undefined ? {} : { uid }),
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      onOutput?.(stderr, () => child.kill('SIGKILL'));
    });
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}
