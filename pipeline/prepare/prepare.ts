import { mkdir, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, DataError } from '../../engine/errors.ts';
import type { FaceDetector } from '../../models/face-detector/detector.ts';
import type { FaceLandmarks } from '../../models/face-detector/landmarks.ts';
import { fileErrorReason, sha256Of } from '../files.ts';
import { manifestName } from '../manifest.ts';
import { plural } from '../plural.ts';
import { DetectionQueue } from './batching.ts';
import { type Ffmpeg, findFfmpeg } from './ffmpeg.ts';
import { inTurn, inTurns } from './in-turn.ts';
import { Journal, writeIfChanged } from './journal.ts';
import { dropNearDuplicates } from './near-duplicates.ts';
import { type PrepareOptions, requireSameOptions } from './options.ts';
import { type Processed, processedWithout, processFile, type Workshop } from './process.ts';
import { Discarded } from './reasons.ts';
import { type Counts, count, writeContactSheets } from './report.ts';
import { isOurs, type Shard, shardFolder } from './shard.ts';
import type { Pair } from './similar-frames.ts';
import { type Compare, compareOnCpu } from './ssim.ts';
import { StageClock } from './stages.ts';
import { type FoundFile, walk } from './walk.ts';

export const settingsName = 'prepare.json';

export interface PrepareRun {
  readonly detector: FaceDetector;
  /** For `align`: finds the eyes. */
  readonly landmarks?: Pick<FaceLandmarks, 'find'> | undefined;
  /** Scores pairs of faces; by default ssim.js. */
  readonly compare?: Compare;
  /** Pictures the detector looks at together. */
  readonly batchSize?: number;
  readonly shard?: Shard | undefined;
  /** Writes nothing; `onPair` tells what would be dropped for being alike. */
  readonly dryRun?: boolean;
  readonly onPair?: (source: string, pair: Pair) => void;
  readonly onProgress?: (done: number, total: number, detail: string) => void;
  /** Ends the run early: files at hand are left for the next one. */
  readonly signal?: AbortSignal;
}

export interface Prepared {
  /** The folder with the manifest: the output, or the shard's folder in it. */
  readonly folder: string;
  readonly counts: Counts;
  /** Files worked on in this run; the others were done before. */
  readonly worked: number;
  /** False when `signal` ended the run early. */
  readonly complete: boolean;
  readonly seconds: number;
  /** Video frames and photographs decoded in this run. */
  readonly pictures: number;
  readonly stages: StageClock['seconds'];
}

/**
 * From a folder of photographs and videos to square faces with a manifest that explains every file (paper, section
 * 2.1). Can be run again at any time: what is done stays done, by content.
 */
export async function prepare(
  input: string,
  output: string,
  options: PrepareOptions,
  run: PrepareRun,
): Promise<Prepared> {
  const start = performance.now();
  const folder = run.shard ? join(output, shardFolder(run.shard)) : output;
  const dryRun = run.dryRun ?? false;
  // Before the output is made: a misspelt input must not leave a folder behind that holds the next call to these options.
  const found = await walk(input, output);
  if (found.files.length + found.problems.length === 0) {
    throw new DataError(`${input} holds no file.`, {
      remedy: 'Give the folder that holds the photographs and videos.',
    });
  }
  const settings = await openOutput(input, output, folder, options, run);
  const journal = await Journal.open(folder, dryRun);
  const clock = new StageClock();
  const queue = new DetectionQueue(run.detector, run.batchSize ?? 8);
  let pictures = 0;
  let done = 0;
  const tell = () => run.onProgress?.(done, found.files.length, plural(pictures, 'picture'));
  let ffmpeg: Promise<Ffmpeg> | undefined;
  const shop: Workshop = {
    options,
    queue,
    clock,
    landmarks: run.landmarks,
    compare: run.compare ?? compareOnCpu,
    ffmpeg: () => {
      ffmpeg ??= findFfmpeg();
      return ffmpeg;
    },
    videos: inTurns(2),
    folder: dryRun ? undefined : folder,
    signal: run.signal ?? new AbortController().signal,
    onPair: run.onPair ?? (() => undefined),
    onPicture: () => {
      pictures++;
      tell();
    },
  };

  let worked = 0;
  const finish = async ({ source, rows }: Processed) => {
    if (worked++ === 0 && !dryRun) await settings.write(false);
    await journal.add(source, rows);
  };
  for (const { source, reason, detail } of found.problems) {
    if (run.shard && run.shard.index !== 0) break; // told once, by the first shard
    const file = { source, path: '', bytes: 0 };
    if (!journal.isDone(source, undefined))
      await finish(processedWithout(file, options, new Discarded(reason, detail)));
  }
  tell();
  await workOff(found.files, shop, journal, run.shard, async (processed) => {
    if (processed) await finish(processed);
    done++;
    tell();
  });

  const complete = !shop.signal.aborted;
  if (complete && !dryRun) {
    const dropped =
      options.nearDuplicates && !run.shard
        ? await dropNearDuplicates(folder, journal, options.similarity, shop.compare)
        : 0;
    await journal.rewrite();
    if (worked > 0 || dropped > 0) await writeContactSheets(folder, journal.allRows());
    await settings.write(true);
  }
  const counts = count(journal.allSources(), journal.allRows());
  const seconds = (performance.now() - start) / 1000;
  const stages = { ...clock.seconds, detect: queue.seconds };
  return { folder, counts, worked, complete, seconds, pictures, stages };
}

/** Files at hand at the same time. More than cores, so that batches fill while others decode. */
const lanes = 16;

async function workOff(
  files: readonly FoundFile[],
  shop: Workshop,
  journal: Journal,
  shard: Shard | undefined,
  finish: (processed: Processed | undefined) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed: unknown;
  // One file after the other, so that of equal files the first in the order of names is the one that counts.
  const hashing = inTurn();
  const hash = (file: FoundFile) => hashing(() => shop.clock.time('hash', () => identify(file, journal)));
  const lane = async () => {
    while (next < files.length && !shop.signal.aborted && failed === undefined) {
      const file = files[next++] as FoundFile;
      await finish(await workOn(file, hash(file), shop, journal, shard));
    }
  };
  const guarded = () =>
    lane().catch((error: unknown) => {
      // A run that was told to stop leaves the files at hand to the next one; everything else is a real failure.
      if (!shop.signal.aborted) failed ??= error;
    });
  await Promise.all(Array.from({ length: lanes }, guarded));
  if (failed !== undefined) throw failed;
}

interface Identity {
  readonly sha256: string;
  /** The file with the same content that comes first: usually this one. */
  readonly first: string;
}

async function identify(file: FoundFile, journal: Journal): Promise<Identity> {
  const sha256 = await sha256Of(file.path);
  return { sha256, first: file.bytes > 0 ? journal.firstWith(sha256, file.source) : file.source };
}

/** Undefined for a file that is done already, or another shard's. */
async function workOn(
  file: FoundFile,
  identifying: Promise<Identity>,
  shop: Workshop,
  journal: Journal,
  shard?: Shard,
): Promise<Processed | undefined> {
  let identity: Identity;
  try {
    identity = await identifying;
  } catch (error) {
    if (shard && shard.index !== 0) return undefined;
    return processedWithout(file, shop.options, new Discarded('unreadable file', fileErrorReason(error)));
  }
  const { sha256, first } = identity;
  if (shard && !isOurs(sha256, shard)) return undefined;
  if (journal.isDone(file.source, sha256)) return undefined;
  const hashed = { ...file, sha256 };
  if (first === file.source) return processFile(hashed, shop);
  return processedWithout(hashed, shop.options, new Discarded('duplicate file', `the same as ${first}`));
}

async function openOutput(input: string, output: string, folder: string, options: PrepareOptions, run: PrepareRun) {
  const path = join(folder, settingsName);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text !== undefined) requireSameOptions(parseSettings(text, path).options, options, folder);
  else if (await exists(join(folder, manifestName))) {
    throw new ConfigError(`${folder} holds a data set that was not made by prepare.`, {
      remedy: 'Choose another output folder.',
    });
  }
  if (!run.dryRun) {
    await mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw new DataError(`${folder} cannot be made: ${fileErrorReason(error)}.`, {
        remedy: 'Name another output folder.',
        cause: error,
      });
    });
    const [from, to] = await Promise.all([realpath(input).catch(() => input), realpath(output)]);
    if (from === to) {
      throw new ConfigError(`The input and the output are the same folder, ${to}.`, {
        remedy: 'Name another output folder; it may lie inside the input.',
      });
    }
  }
  const shard = run.shard ? { shard: run.shard } : {};
  const write = (complete: boolean) =>
    writeIfChanged(path, `${JSON.stringify({ ...shard, complete, options }, undefined, 2)}\n`);
  // Only where prepare has been before: whatever else is called like that belongs to somebody else.
  if (text !== undefined && !run.dryRun) await removeLeftovers(folder);
  // First of all files, so that a folder with anything in it is known to be ours.
  if (text === undefined && !run.dryRun) await write(false);
  return { write };
}

/** Removes the half-written files that a killed run left under temporary names; shards look after their own folders. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder, { recursive: true })) {
    if (/\.\d+\.tmp$/.test(name) && !/^shard-\d+-of-/.test(name)) await rm(join(folder, name), { force: true });
  }
}

export interface Settings {
  readonly shard?: Shard;
  readonly complete: boolean;
  readonly options: unknown;
}

export function parseSettings(text: string, path: string): Settings {
  try {
    return JSON.parse(text) as Settings;
  } catch (error) {
    throw new DataError(`${path} is not JSON.`, { remedy: 'Delete it and run again.', cause: error });
  }
}

const exists = (path: string) =>
  readFile(path).then(
    () => true,
    () => false,
  );
