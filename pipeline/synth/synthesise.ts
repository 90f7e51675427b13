/** The embedded data set: drawn faces in the paper's class imbalance, several pictures of each subject. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { ConfigError, DataError } from '../../engine/errors.ts';
import { contactSheet } from '../contact-sheet.ts';
import { writeFileAtomic } from '../files.ts';
import { type ManifestRow, writeManifest } from '../manifest.ts';
import { random } from '../random.ts';
import { drawFace } from './face.ts';
import { drawExpression, drawScene, drawSubject, type Expression, expressions, type Scene } from './traits.ts';

/** Pictures of each class before balancing: table 2 of the paper. */
const paperCounts: Record<Expression, number> = { happy: 2502, sad: 1070, normal: 4028 };
const paperTotal = 7600;

export interface SynthOptions {
  /** Pictures in all, split over the classes as in the paper. */
  count: number;
  /** Pictures of each subject. */
  perSubject: number;
  seed: number;
  onProgress?: (done: number, total: number) => void;
}

/** How many pictures of each class make `count` in the paper's proportions. */
export function classCounts(count: number): Record<Expression, number> {
  const happy = Math.round((count * paperCounts.happy) / paperTotal);
  const sad = Math.round((count * paperCounts.sad) / paperTotal);
  return { happy, sad, normal: count - happy - sad };
}

/** One picture, 256×256, as JPEG. The same three numbers always give the same bytes. */
export async function synthesisePicture(seed: number, subject: number, picture: number, expression: Expression) {
  const rng = random(seed, 2, picture);
  const scene = drawScene(rng);
  const svg = drawFace(drawSubject(seed, subject), drawExpression(expression, rng), scene);
  let image = sharp(Buffer.from(svg)).removeAlpha();
  if (scene.blur > 0) image = image.blur(scene.blur);
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  expose(data, scene, rng.integer(noiseTable().length));
  return sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
}

let noise: Float32Array | undefined;

/** Normal deviates to take noise from; drawing each anew would cost more than drawing the face. */
function noiseTable(): Float32Array {
  if (!noise) {
    const { normal } = random(0, 3);
    noise = Float32Array.from({ length: 65_521 }, () => normal());
  }
  return noise;
}

/** Exposure, white balance and sensor noise, in place. */
function expose(pixels: Uint8Array, scene: Scene, start: number): void {
  const gains = [scene.exposure * (1 + scene.warmth), scene.exposure, scene.exposure * (1 - scene.warmth)];
  const table = noiseTable();
  for (let i = 0; i < pixels.length; i += 1) {
    const grain = scene.noise * (table[(start + i) % table.length] as number);
    pixels[i] = Math.max(0, Math.min(255, Math.round((pixels[i] as number) * (gains[i % 3] as number) + grain)));
  }
}

/**
 * Draws the data set into `out`: a folder per class, manifest.jsonl and contact-sheet.png.
 * @returns the pictures of each class.
 * @throws ConfigError for counts that make no data set, DataError when `out` holds other files.
 */
export async function synthesise(out: string, options: SynthOptions): Promise<Record<Expression, number>> {
  const { count, perSubject, seed } = options;
  if (!Number.isInteger(count) || count < 30) {
    throw new ConfigError(`--count is ${count}; the three classes need at least 30 pictures.`);
  }
  if (!Number.isInteger(perSubject) || perSubject < 1)
    throw new ConfigError(`--per-subject is ${perSubject}; at least 1 is needed.`);
  const present = await readdir(out).catch(() => []);
  if (present.length > 0) {
    throw new DataError(`${out} is not empty.`, { remedy: 'Name a new folder, or delete that one first.' });
  }
  const counts = classCounts(count);
  const labels = random(seed, 0).shuffle(expressions.flatMap((name) => Array<Expression>(counts[name]).fill(name)));
  for (const name of expressions) await mkdir(join(out, name), { recursive: true });

  let done = 0;
  const draw = async (label: Expression, picture: number): Promise<ManifestRow> => {
    const subject = Math.floor(picture / perSubject);
    const name = `s${String(subject).padStart(4, '0')}_${String(picture % perSubject).padStart(2, '0')}.jpg`;
    const path = `${label}/${name}`;
    const bytes = await synthesisePicture(seed, subject, picture, label);
    await writeFile(join(out, path), bytes);
    done += 1;
    options.onProgress?.(done, labels.length);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { path, sha256, subject: name.slice(0, 5), label, source: `drawn with seed ${seed}` };
  };
  const rows: ManifestRow[] = [];
  const atOnce = 4; // sharp draws each in a thread of its own
  for (let start = 0; start < labels.length; start += atOnce) {
    const group = labels.slice(start, start + atOnce);
    rows.push(...(await Promise.all(group.map((label, i) => draw(label, start + i)))));
  }
  await writeManifest(out, rows);
  await writeFileAtomic(join(out, 'contact-sheet.png'), await synthSheet(out, rows));
  return counts;
}

async function synthSheet(out: string, rows: readonly ManifestRow[]): Promise<Buffer> {
  const picturesOf = (label: string) =>
    rows.flatMap((row) => (row.label === label && row.path ? [join(out, row.path)] : [])).slice(0, 20);
  return contactSheet(expressions.map((title) => ({ title, pictures: picturesOf(title) })));
}
