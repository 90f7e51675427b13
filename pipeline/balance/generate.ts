/** Makes candidates from pictures that were not used yet, judges them, and puts the chosen ones into the data set. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import sharp from 'sharp';
import { augment, DataError, mean, noGrad, scope, tensor } from '../../engine/index.ts';
import { epochOrder } from '../dataset/batches.ts';
import { decodePicture } from '../dataset/decode.ts';
import type { DataSet, Picture } from '../dataset/read.ts';
import { appendManifest, type ManifestRow, readManifest } from '../manifest.ts';
import type { Progress } from '../progress.ts';
import { type GanTrainer, toBytes } from './gan-training.ts';
import type { BalanceTask } from './plan.ts';
import { type Candidate, type Selection, type SelectOptions, select, similarity } from './select.ts';

/** Looks at encoded candidates and adds what it knows; asked for all of them at once. */
export type Judge = (pictures: readonly { pixels: Uint8Array; size: number }[]) => Promise<Partial<Candidate>[]>;

export interface GenerateInput {
  readonly data: DataSet;
  readonly task: BalanceTask;
  readonly trainer: GanTrainer;
  /** Name of the CycleGAN run, kept as `generatedBy`. */
  readonly run: string;
  readonly seed: number;
  readonly judges: readonly Judge[];
  readonly options: Omit<SelectOptions, 'keep'>;
  /** Candidates for each picture wanted. */
  readonly surplus: number;
  readonly progress?: Progress;
}

export interface Generated extends Selection {
  /** Where the kept pictures lie, relative to the data set, in the order of `kept`. */
  readonly paths: readonly string[];
}

/** Sources of earlier generated pictures, by the manifest: each real picture is used once for each class. */
async function usedSources(data: DataSet, to: string): Promise<Set<string>> {
  const rows = (await readManifest(data.folder)) ?? [];
  const made = rows.filter((row) => row.generatedBy !== undefined && (row.path ?? '').startsWith(`${to}/`));
  return new Set(made.flatMap((row) => row.source ?? []));
}

/** @throws DataError when no unused source picture is left. */
export async function generate(input: GenerateInput): Promise<Generated> {
  const { data, task, trainer, options } = input;
  const used = await usedSources(data, task.to);
  const label = data.classes.indexOf(task.from);
  const unused = data.pictures.filter(
    (p) => p.label === label && !p.generated && p.split !== 'test' && !used.has(p.name),
  );
  if (unused.length === 0) {
    throw new DataError(`Every ${task.from} picture has been turned into a ${task.to} one already.`, {
      remedy: `Add ${task.from} pictures, or ask for fewer with --to.`,
    });
  }
  const sources = epochOrder(unused, input.seed, 500_000).slice(0, Math.ceil(task.make * input.surplus));
  const candidates: Candidate[] = [];
  for (const [i, source] of sources.entries()) {
    candidates.push(await candidate(trainer, source));
    input.progress?.update(i + 1, sources.length, `${task.from} → ${task.to}`);
  }
  for (const judge of input.judges) {
    const opinions = await judge(candidates);
    for (const [i, opinion] of opinions.entries()) candidates[i] = { ...candidates[i], ...opinion };
  }
  const selection = select(candidates, { ...options, keep: task.make });
  return { ...selection, paths: await store(input, selection) };
}

async function candidate(trainer: GanTrainer, source: Picture): Promise<Candidate> {
  const { imageSize: size } = trainer.config.model;
  const original = await decodePicture(source.file, size);
  const { gan } = trainer;
  const [made, score] = scope(() =>
    noGrad(() => {
      const x = augment(tensor(original, [1, size, size, 3]), { size, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
      const fake = gan.G_A.forward(x);
      return [fake, mean(gan.D_A.forward(fake))];
    }),
  );
  const pixels = toBytes(await made.floats());
  const discriminator = await score.item();
  made.dispose();
  score.dispose();
  return {
    source: source.name,
    subject: source.subject,
    pixels,
    size,
    discriminator,
    similarity: similarity(original, pixels, size),
  };
}

/** Writes the kept pictures into the class folder and a manifest row for every candidate, kept or not. */
async function store({ data, task, run }: GenerateInput, { kept, discarded }: Selection): Promise<string[]> {
  const labelled = ((await readManifest(data.folder)) ?? []).some((row) => row.label !== undefined);
  const rows: ManifestRow[] = [];
  const paths: string[] = [];
  for (const { source, subject, pixels, size } of kept) {
    const stem = basename(source, extname(source));
    const path = `${task.to}/generated-from-${stem}-${createHash('sha256').update(source).digest('hex').slice(0, 8)}.png`;
    const bytes = await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
      .png()
      .toBuffer();
    await mkdir(dirname(join(data.folder, path)), { recursive: true });
    await writeFile(join(data.folder, path), bytes);
    paths.push(path);
    rows.push({
      path,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      subject,
      source,
      ...(labelled && { label: task.to }),
      generatedBy: run,
    });
  }
  for (const { candidate: c, reason } of discarded) {
    rows.push({
      path: null,
      discarded: `generated ${task.to}: ${reason}`,
      subject: c.subject,
      source: c.source,
      generatedBy: run,
    });
  }
  await appendManifest(data.folder, rows);
  return paths;
}
