import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { FaceLandmarks } from '../../models/face-detector/landmarks.ts';
import { writeFileAtomic } from '../files.ts';
import type { ManifestRow } from '../manifest.ts';
import { cutLevel } from './align.ts';
import type { DetectionQueue } from './batching.ts';
import { cropSquare, cutSquare, encodePng, resizeTo } from './crop.ts';
import type { Ffmpeg } from './ffmpeg.ts';
import { type FoundFace, findFace } from './find-face.ts';
import type { InTurn } from './in-turn.ts';
import { type SourceRow, tally } from './journal.ts';
import type { PrepareOptions } from './options.ts';
import { openPhoto, rawStill } from './photo.ts';
import { Discarded } from './reasons.ts';
import { type Pair, SimilarFrames } from './similar-frames.ts';
import { sniff } from './sniff.ts';
import { type Compare, type Gray, toGray } from './ssim.ts';
import type { StageClock } from './stages.ts';
import type { Still } from './still.ts';
import { thumbnail, thumbnailPath } from './thumbnails.ts';
import { type VideoFrame, type VideoReport, videoFrames } from './video.ts';
import type { FoundFile } from './walk.ts';

/** What every file is worked on with. */
export interface Workshop {
  readonly options: PrepareOptions;
  readonly queue: DetectionQueue;
  readonly compare: Compare;
  /** Where eyes are to be level. */
  readonly landmarks?: Pick<FaceLandmarks, 'find'> | undefined;
  readonly ffmpeg: () => Promise<Ffmpeg>;
  /** Lets few videos be decoded at the same time: each takes an ffmpeg and some frames in memory. */
  readonly videos: InTurn;
  readonly clock: StageClock;
  /** The output folder; undefined in a dry run, which writes nothing. */
  readonly folder: string | undefined;
  readonly signal: AbortSignal;
  /** Frames dropped for being alike, for --dry-run. */
  readonly onPair: (source: string, pair: Pair) => void;
  /** Called for every photograph and frame that was decoded. */
  readonly onPicture: () => void;
}

export interface Processed {
  readonly source: SourceRow;
  readonly rows: ManifestRow[];
}

type HashedFile = FoundFile & { readonly sha256: string };

/** Works one file off: its faces are written, and everything about it is returned for the journal. */
export async function processFile(file: HashedFile, shop: Workshop): Promise<Processed> {
  const about: Partial<SourceRow> = {};
  const rows: ManifestRow[] = [];
  try {
    const kind = await sniff(file.path, file.bytes);
    about.kind = kind === 'video' ? 'video' : 'photo';
    if (kind !== 'video') rows.push(await processPhoto(file, kind, shop));
    else await shop.videos(() => processVideo(file, shop, rows, about));
  } catch (error) {
    if (!(error instanceof Discarded)) throw error;
    rows.push(discardedRow(file, shop.options, error));
  }
  return { source: { ...summarise(file, rows), ...about }, rows };
}

/** The journal's line for a file that was not worked on. */
export function processedWithout(
  file: FoundFile & { sha256?: string },
  options: PrepareOptions,
  why: Discarded,
): Processed {
  const rows = [discardedRow(file, options, why)];
  return { source: summarise(file, rows), rows };
}

function summarise(file: FoundFile & { sha256?: string }, rows: readonly ManifestRow[]): SourceRow {
  const { source, sha256, bytes } = file;
  return { source, ...(sha256 ? { sha256 } : {}), bytes, ...tally(rows) };
}

async function processPhoto(file: HashedFile, kind: 'photo' | 'heic', shop: Workshop): Promise<ManifestRow> {
  const still = await shop.clock.time('decode', () => openPhoto(file.path, shop.options.maxMegapixels, kind));
  const cut = await cutFace(still, file, shop, {});
  return writeFace(cut, shop);
}

async function processVideo(file: HashedFile, shop: Workshop, rows: ManifestRow[], about: Partial<SourceRow>) {
  const { options, signal } = shop;
  const report: VideoReport = {};
  const sampling = options.fps ? { fps: options.fps } : { every: options.every };
  const kept = new SimilarFrames(shop.compare, options.similarity);
  const ffmpeg = await shop.ffmpeg();
  const frames = videoFrames(ffmpeg, file.path, sampling, report);
  for await (const group of inGroups(frames, shop)) {
    const cuts = await Promise.all(
      group.map(({ picture, frame, timestamp }) => cutFace(rawStill(picture), file, shop, { frame, timestamp })),
    );
    for (const cut of cuts) rows.push(await keepUnlessAlike(cut, kept, file, shop));
    signal.throwIfAborted();
  }
  if (report.damage) about.damage = report.damage;
}

/**
 * Groups of frames that the detector can look at together, limited also by the memory they take. The next group is
 * decoded while one is worked on.
 */
async function* inGroups(frames: AsyncIterable<VideoFrame>, shop: Workshop): AsyncGenerator<VideoFrame[]> {
  const iterator = frames[Symbol.asyncIterator]();
  const read = async () => {
    const group: VideoFrame[] = [];
    let bytes = 0;
    while (group.length < shop.queue.batchSize && bytes < 64e6) {
      const { value, done } = await iterator.next();
      if (done) break;
      group.push(value);
      bytes += value.picture.data.length;
    }
    return group;
  };
  let next = read();
  try {
    for (;;) {
      const ready = next;
      const group = await shop.clock.time('decode', () => ready);
      if (group.length === 0) return;
      next = read();
      yield group;
    }
  } finally {
    next.catch(() => undefined); // nobody is left to hear of it
    await iterator.return?.();
  }
}

/** A face that was cut out, or the reason why not. */
interface Cut {
  readonly row: ManifestRow;
  readonly png?: Buffer;
  readonly gray?: Gray;
}

type FramePosition = Pick<ManifestRow, 'frame' | 'timestamp'>;

async function cutFace(still: Still, file: HashedFile, shop: Workshop, position: FramePosition): Promise<Cut> {
  const { options, clock } = shop;
  try {
    const small = await clock.time('decode', () => still.shrunk(shop.queue.inputSize));
    shop.onPicture();
    let found: FoundFace;
    try {
      found = await clock.time('detect', () => findFace(still, small, shop.queue, options));
    } catch (error) {
      if (error instanceof Discarded) await saveThumbnail(small, file, position, shop);
      throw error;
    }
    const face = await clock.time('crop', async () => {
      const { margin } = options;
      const cut = shop.landmarks
        ? await cutLevel(still, found, margin, shop.landmarks)
        : await cutSquare(still, cropSquare(found.box, margin), found.rotation);
      return resizeTo(cut, options.size);
    });
    const png = await clock.time('crop', () => encodePng(face));
    const row: ManifestRow = {
      path: facePath(file, options, position),
      sha256: createHash('sha256').update(png).digest('hex'),
      ...commonFields(file, options),
      ...(options.folders !== 'subject' && position.frame !== undefined ? { subject: clipSubject(file) } : {}),
      ...position,
      ...faceFields(found),
    };
    return { row, png, gray: toGray(face) };
  } catch (error) {
    if (!(error instanceof Discarded)) throw error;
    return { row: { ...discardedRow(file, options, error), ...position } };
  }
}

async function keepUnlessAlike(cut: Cut, kept: SimilarFrames, file: HashedFile, shop: Workshop): Promise<ManifestRow> {
  const { gray, row, png } = cut;
  if (!gray || !png) return row;
  const name = `frame ${row.frame}`;
  const alike = await shop.clock.time('compare', () => kept.add(name, gray));
  if (!alike) return writeFace(cut, shop);
  shop.onPair(file.source, alike);
  await saveThumbnail(png, file, row, shop);
  const detail = `SSIM ${alike.score.toFixed(4)} with ${alike.other}`;
  const { sha256: _, ...rest } = row;
  return { ...rest, path: null, discarded: 'similar frame', detail };
}

async function writeFace({ row, png }: Cut, shop: Workshop): Promise<ManifestRow> {
  const { folder } = shop;
  if (folder && row.path && png) {
    const path = join(folder, row.path);
    await shop.clock.time('write', () => writeFileAtomic(path, png));
  }
  return row;
}

async function saveThumbnail(
  picture: Parameters<typeof thumbnail>[0],
  file: HashedFile,
  position: FramePosition,
  shop: Workshop,
): Promise<void> {
  const { folder } = shop;
  if (!folder) return;
  const path = join(folder, thumbnailPath(file.sha256, position.frame));
  await shop.clock.time('write', async () => writeFileAtomic(path, await thumbnail(picture)));
}

/** A face's file is named by content alone: names of photographs often hold names of people and places. */
function facePath(file: HashedFile, options: PrepareOptions, { frame }: FramePosition): string {
  const folder = commonFields(file, options).label ?? 'faces';
  const suffix = frame === undefined ? '' : `-${String(frame).padStart(6, '0')}`;
  return `${folder}/${file.sha256.slice(0, 16)}${suffix}.png`;
}

function commonFields(file: FoundFile & { sha256?: string }, options: PrepareOptions): Partial<ManifestRow> {
  const first = file.source.includes('/') ? file.source.split('/')[0] : undefined;
  return {
    ...(options.folders === 'subject' && first ? { subject: first } : {}),
    ...(options.folders === 'label' && first ? { label: first } : {}),
    source: file.source,
    ...(file.sha256 ? { sourceSha256: file.sha256 } : {}),
  };
}

/** Where nobody says whose face it is, a clip stands for its person, so that no split parts its frames. */
const clipSubject = (file: HashedFile) => `video-${file.sha256.slice(0, 8)}`;

function faceFields({ box, rotation, confidence }: FoundFace): Partial<ManifestRow> {
  const tenth = (value: number) => Math.round(value * 10) / 10;
  return {
    box: [tenth(box.x), tenth(box.y), tenth(box.width), tenth(box.height)],
    rotation,
    confidence: Math.round(confidence * 1e4) / 1e4,
  };
}

function discardedRow(file: FoundFile & { sha256?: string }, options: PrepareOptions, why: Discarded): ManifestRow {
  return {
    path: null,
    discarded: why.reason,
    ...(why.detail ? { detail: why.detail } : {}),
    ...commonFields(file, options),
  };
}
