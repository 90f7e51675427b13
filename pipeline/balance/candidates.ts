/**
 * What a CycleGAN run has made, before anybody chose among it: pictures and what is known of each, in the run folder's
 * `candidates/`. They stay there, so that an interrupted balancing goes on, a review can be taken up again, and pictures
 * that were turned down can be looked at later.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../engine/index.ts';
import { complaint } from '../complaint.ts';
import { appendLines, fileErrorReason, readLines, writeFileAtomic } from '../files.ts';

const candidateSchema = z.object({
  /** The picture it was made from, relative to the data set, and its subject. */
  source: z.string(),
  subject: z.string(),
  /** Its own PNG in `candidates/`, and the SHA-256 of that file. */
  file: z.string().regex(/^[^/\\]+\.png$/),
  sha256: z.string(),
  /** Mean score of the target class's discriminator; higher looks more real. */
  discriminator: z.number(),
  /** SSIM with its source, −1 to 1. */
  similarity: z.number(),
  /** Probability of the target class by a classifier trained on real pictures, where one was asked. */
  target: z.number().optional(),
  /** Whether a face was found, where a detector was asked. */
  face: z.boolean().optional(),
  /** Who was asked; empty while nobody was. */
  judges: z.string(),
});

/** A generated picture with what is known of it. */
export type Candidate = Readonly<z.infer<typeof candidateSchema>>;

/** What judges beside the discriminator say of a picture. */
export type Opinion = Pick<Candidate, 'target' | 'face'>;

const listOf = (run: string): string => join(run, 'candidates', 'candidates.jsonl');

/** Where a candidate's picture lies. */
export const candidateFile = (run: string, { file }: Pick<Candidate, 'file'>): string => join(run, 'candidates', file);

/** The name of the picture made from `source`, in `candidates/` as in the class folder. */
export function candidateName(source: string): string {
  const hash = createHash('sha256').update(source).digest('hex').slice(0, 8);
  return `generated-from-${basename(source, extname(source))}-${hash}.png`;
}

/** @throws DataError naming the line at fault. */
export async function readCandidates(run: string): Promise<Candidate[]> {
  const candidates = new Map<string, Candidate>();
  for (const [index, line] of (await readLines(listOf(run))).entries()) {
    const { data, error } = candidateSchema.safeParse(line);
    if (!data) {
      throw new DataError(`${listOf(run)} line ${index + 1}: ${complaint(error, line, 'candidate')}.`, {
        remedy: `Delete ${join(run, 'candidates')}: its pictures are then made again.`,
      });
    }
    candidates.set(data.source, data);
  }
  return [...candidates.values()];
}

/** Keeps one more candidate: first its picture, then its line. */
export async function addCandidate(run: string, candidate: Candidate, png: Uint8Array): Promise<void> {
  await writeFileAtomic(candidateFile(run, candidate), png);
  await appendLines(listOf(run), [candidate]).catch((error: unknown) => {
    throw new DataError(`${listOf(run)} cannot be written: ${fileErrorReason(error)}.`, {
      remedy: 'Free some space, then call the same command again: it goes on from here.',
      cause: error,
    });
  });
}

/** Replaces what is known of all candidates. */
export async function writeCandidates(run: string, candidates: readonly Candidate[]): Promise<void> {
  await writeFileAtomic(listOf(run), candidates.map((candidate) => `${JSON.stringify(candidate)}\n`).join(''));
}

/** The PNG of a candidate. @throws DataError when it is gone or was changed. */
export async function readCandidate(run: string, candidate: Candidate): Promise<Buffer> {
  const path = candidateFile(run, candidate);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new DataError(`${path} cannot be read: ${fileErrorReason(error)}.`, { remedy: remakeRemedy(run) });
  });
  if (createHash('sha256').update(bytes).digest('hex') === candidate.sha256) return bytes;
  throw new DataError(`${path} is not the picture that was generated.`, { remedy: remakeRemedy(run) });
}

const remakeRemedy = (run: string): string =>
  `Delete ${join(run, 'candidates')} and call the same command again: pictures are made anew.`;
