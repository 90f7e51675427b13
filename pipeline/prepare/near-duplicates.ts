import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { writeFileAtomic } from '../files.ts';
import type { ManifestRow } from '../manifest.ts';
import type { Journal } from './journal.ts';
import type { Pair } from './similar-frames.ts';
import { type Compare, type Gray, toGray } from './ssim.ts';
import { thumbnail, thumbnailPath } from './thumbnails.ts';

/** Hashes that differ in at most this many of 64 bits are worth an SSIM. */
const hashDistance = 12;

/**
 * Perceptual hash: the signs of the 8×8 lowest frequencies (without the mean) of the picture's 32×32 thumbnail after a
 * discrete cosine transform, about their median. Alike pictures differ in few bits.
 */
export function perceptualHash(thumbnail: Uint8Array): bigint {
  const n = 32;
  const low = 8;
  const values: number[] = [];
  for (let v = 0; v < low; v++) {
    for (let u = 0; u < low; u++) {
      let sum = 0;
      for (let y = 0; y < n; y++) {
        const down = Math.cos(((2 * y + 1) * v * Math.PI) / (2 * n));
        for (let x = 0; x < n; x++) sum += (thumbnail[y * n + x] as number) * down * (cosines[u * n + x] as number);
      }
      values.push(sum);
    }
  }
  const rest = values.slice(1).sort((a, b) => a - b);
  const median = rest[31] as number;
  return values.reduce((bits, value, i) => (i > 0 && value > median ? bits | (1n << BigInt(i)) : bits), 0n);
}

const cosines = Float64Array.from({ length: 8 * 32 }, (_, i) =>
  Math.cos(((2 * (i % 32) + 1) * Math.floor(i / 32) * Math.PI) / 64),
);

export function bitsDifferent(a: bigint, b: bigint): number {
  let count = 0;
  for (let rest = a ^ b; rest > 0n; rest &= rest - 1n) count++;
  return count;
}

interface Hashed {
  readonly row: ManifestRow;
  readonly path: string;
  readonly hash: bigint;
}

/**
 * Kept faces that look like one kept from another file, over the whole data set: the perceptual hash finds candidates,
 * SSIM decides. Of each pair the one later in `rows` goes. Pictures are read again only where hashes are close.
 */
async function findNearDuplicates(
  folder: string,
  rows: readonly ManifestRow[],
  threshold: number,
  compare: Compare,
): Promise<Map<ManifestRow, Pair>> {
  const dropped = new Map<ManifestRow, Pair>();
  const kept: Hashed[] = [];
  for (const row of rows) {
    if (row.path === null || row.generatedBy !== undefined) continue;
    const hashed = { row, path: row.path, hash: await hashFile(join(folder, row.path)) };
    const candidates = kept.filter(
      (other) => other.row.source !== row.source && bitsDifferent(other.hash, hashed.hash) <= hashDistance,
    );
    const pair = await closest(folder, hashed, candidates, compare);
    if (pair && pair.score > threshold) dropped.set(row, pair);
    else kept.push(hashed);
  }
  return dropped;
}

async function closest(folder: string, face: Hashed, others: readonly Hashed[], compare: Compare) {
  if (others.length === 0) return undefined;
  const grays = await Promise.all(others.map((other) => readGray(join(folder, other.path))));
  const scores = await compare(await readGray(join(folder, face.path)), grays);
  const pairs = others.map((other, i): Pair => ({ name: face.path, other: other.path, score: scores[i] ?? 0 }));
  return pairs.reduce((a, b) => (b.score > a.score ? b : a));
}

async function hashFile(path: string): Promise<bigint> {
  const small = sharp(path).greyscale().resize(32, 32, { fit: 'fill' });
  return perceptualHash(await small.raw().toBuffer());
}

async function readGray(path: string): Promise<Gray> {
  const { data, info } = await sharp(await readFile(path))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return toGray({ width: info.width, height: info.height, data });
}

/**
 * Discards the near duplicates of a prepared folder, keeping a thumbnail of each; returns how many. The manifest is
 * written before any picture goes, so that a kill in between leaves a picture too many, never one too few.
 */
export async function dropNearDuplicates(
  folder: string,
  journal: Journal,
  threshold: number,
  compare: Compare,
): Promise<number> {
  const all = journal.allRows();
  const dropped = await findNearDuplicates(folder, all, threshold, compare);
  if (dropped.size === 0) return 0;
  const sources = new Set([...dropped.keys()].flatMap((row) => row.source ?? []));
  for (const source of sources) {
    const rows = journal.rowsOf(source).map((row) => asDiscarded(row, dropped.get(row)));
    journal.replaceRows(source, rows);
  }
  for (const row of dropped.keys()) await keepThumbnail(folder, row);
  await journal.rewrite();
  for (const row of dropped.keys()) if (row.path) await rm(join(folder, row.path), { force: true });
  return dropped.size;
}

function asDiscarded(row: ManifestRow, pair: Pair | undefined): ManifestRow {
  if (!pair) return row;
  const { sha256: _, ...rest } = row;
  const detail = `SSIM ${pair.score.toFixed(4)} with ${pair.other}`;
  return { ...rest, path: null, discarded: 'near duplicate', detail };
}

async function keepThumbnail(folder: string, row: ManifestRow): Promise<void> {
  if (row.path === null || typeof row.sourceSha256 !== 'string') return;
  const small = await thumbnail(await readFile(join(folder, row.path)));
  await writeFileAtomic(join(folder, thumbnailPath(row.sourceSha256, row.frame)), small);
}
