/** Makes candidates from pictures that were not used yet, and has them judged. Interrupted, it goes on where it was. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import sharp from 'sharp';
import { augment, DataError, mean, noGrad, scope, tensor } from '../../engine/index.ts';
import { epochOrder } from '../dataset/batches.ts';
import { decodePicture } from '../dataset/decode.ts';
import type { DataSet, Picture } from '../dataset/read.ts';
import { type ManifestRow, readManifest } from '../manifest.ts';
import type { Progress } from '../progress.ts';
import {
  addCandidate,
  type Candidate,
  candidateName,
  readCandidate,
  readCandidates,
  writeCandidates,
} from './candidates.ts';
import { type GanTrainer, toBytes } from './gan-training.ts';
import type { Judges } from './judges.ts';
import { type BalanceTask, trainable } from './plan.ts';
import { isSpare, reviewed, similarity, spare } from './select.ts';

/** Begins a manifest row's `discarded` for a generated picture of the class. */
export const discardedAs = (to: string): string => `generated ${to}: `;

/** Whether a row tells of a picture that this run made of the class `to`. */
export const isOwnRow = ({ generatedBy, path, discarded }: ManifestRow, run: string, to: string): boolean =>
  generatedBy !== undefined &&
  resolve(generatedBy) === resolve(run) &&
  (path === null ? (discarded ?? '').startsWith(discardedAs(to)) : path.startsWith(`${to}/`));

/** What a run has made for a class and what it can still be made from. */
export interface Supply {
  /** Made and not in the class folder. Those that a person turned down count only where a person decides again. */
  readonly candidates: readonly Candidate[];
  /** Those among them that nobody and no check has turned down so far. */
  readonly waiting: number;
  /** Real pictures that nothing was made of for this class, in the order in which they are taken. */
  readonly unused: readonly Picture[];
}

/** Each real picture is used once for each class; those of subjects that the manifest holds out never are. */
export async function supplyOf(
  data: DataSet,
  task: Pick<BalanceTask, 'from' | 'to'>,
  run: string,
  options: { readonly seed: number; readonly withReviewed: boolean },
): Promise<Supply> {
  const rows = (await readManifest(data.folder)) ?? [];
  const made = rows.filter(({ generatedBy }) => generatedBy !== undefined);
  const kept = new Set(made.flatMap((row) => ((row.path ?? '').startsWith(`${task.to}/`) ? (row.source ?? []) : [])));
  const reasons = new Map(
    made
      .filter((row) => row.path === null && isOwnRow(row, run, task.to))
      .map((row) => [row.source, (row.discarded ?? '').slice(discardedAs(task.to).length)]),
  );
  // One order of all, so that an interrupted call goes on with what an uninterrupted one would have taken.
  const sources = epochOrder(trainable(data, task.from), options.seed, 500_000);
  const usable = new Map(sources.filter(({ name }) => !kept.has(name)).map((picture) => [picture.name, picture]));
  const stored = (await readCandidates(run)).filter(({ source }) => usable.has(source));
  for (const { source } of stored) usable.delete(source);
  return {
    candidates: stored.filter(
      ({ source }) => options.withReviewed || !(reasons.get(source) ?? '').startsWith(reviewed),
    ),
    waiting: stored.filter(({ source }) => isSpare(reasons.get(source) ?? spare.unseen)).length,
    unused: [...usable.values()],
  };
}

export interface GenerateInput {
  readonly data: DataSet;
  readonly task: BalanceTask;
  /** The CycleGAN's run folder. */
  readonly run: string;
  readonly supply: Supply;
  /** Candidates for each picture wanted. */
  readonly surplus: number;
  readonly judges: Judges;
  /** Opens the trained networks; asked only when something is to be made. */
  readonly open: () => Promise<GanTrainer>;
  readonly signal: AbortSignal;
  readonly progress: (label: string) => Progress;
  readonly say: (line: string) => void;
}

/** Makes what is missing and has everything judged. @returns all candidates, or nothing when it was interrupted */
export async function generate(input: GenerateInput): Promise<Candidate[] | undefined> {
  const { supply, task, run, signal } = input;
  const missing = Math.max(0, Math.ceil(task.make * input.surplus) - supply.waiting);
  const candidates = [...supply.candidates];
  if (missing > 0 && supply.unused.length > 0) {
    const trainer = await input.open();
    const line = input.progress('generating');
    const total = Math.min(missing, supply.unused.length);
    const enough = candidates.length + missing;
    try {
      for (const source of supply.unused) {
        if (signal.aborted) return undefined;
        if (candidates.length === enough) break;
        const original = await decodePicture(source.file, trainer.config.model.imageSize).catch((error: unknown) => {
          if (error instanceof DataError) input.say(`  left out ${source.name}: it ${error.message}`);
          else throw error;
        });
        if (!original) continue;
        const { candidate, png } = await translate(trainer, source, original);
        await addCandidate(run, candidate, png);
        candidates.push(candidate);
        line.update(candidates.length + missing - enough, total, `${task.from} → ${task.to}`);
      }
    } finally {
      line.finish();
      trainer.dispose();
    }
  }
  return judge(input, candidates);
}

async function translate(
  trainer: GanTrainer,
  source: Picture,
  original: Uint8Array,
): Promise<{ candidate: Candidate; png: Buffer }> {
  const { imageSize: size } = trainer.config.model;
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
  const png = await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
    .png()
    .toBuffer();
  const candidate = {
    source: source.name,
    subject: source.subject,
    file: candidateName(source.name),
    sha256: createHash('sha256').update(png).digest('hex'),
    discriminator,
    similarity: similarity(original, pixels, size),
    judges: '',
  };
  return { candidate, png };
}

/** Candidates between two looks at the signal. */
const CHUNK = 64;

/** Asks the judges for what they have not said yet. */
async function judge(input: GenerateInput, candidates: Candidate[]): Promise<Candidate[] | undefined> {
  const { judges, run, task, signal } = input;
  if (judges.name === '') return candidates.map(({ target: _, face: __, ...known }) => known);
  const places = candidates.flatMap((candidate, i) => (candidate.judges === judges.name ? [] : [i]));
  if (places.length === 0) return candidates;
  const line = input.progress('judging');
  try {
    for (let start = 0; start < places.length && !signal.aborted; start += CHUNK) {
      const chunk = places.slice(start, start + CHUNK);
      const opinions = await judges.judge(
        task.to,
        await Promise.all(chunk.map((i) => readCandidate(run, candidates[i]))),
      );
      for (const [k, i] of chunk.entries()) {
        const { target: _, face: __, ...known } = candidates[i];
        candidates[i] = { ...known, ...opinions[k], judges: judges.name };
      }
      line.update(Math.min(start + CHUNK, places.length), places.length, task.to);
    }
  } finally {
    line.finish();
  }
  const said = new Map(candidates.map((candidate) => [candidate.file, candidate]));
  await writeCandidates(
    run,
    (await readCandidates(run)).map((candidate) => said.get(candidate.file) ?? candidate),
  );
  return signal.aborted ? undefined : candidates;
}
