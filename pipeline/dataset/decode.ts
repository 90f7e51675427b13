/** Picture files to squares of 8-bit RGB. sharp decodes in threads of its own, so the caller is never held up. */
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { DataError } from '../../engine/errors.ts';
import { fileErrorReason, sha256Of } from '../files.ts';
import type { RowStore } from './batches.ts';
import type { DataSet, Picture, Skipped } from './read.ts';

/**
 * Decodes one picture to size×size×3 bytes, RGB, row by row: EXIF orientation applied, colours turned to sRGB, the
 * middle square kept, transparency laid on white, the first frame of an animation taken.
 * @throws DataError with a short reason, without the name of the file.
 */
export async function decodePicture(file: string | Uint8Array, size: number): Promise<Uint8Array> {
  const bytes = typeof file === 'string' ? await readBytes(file) : file;
  try {
    const pixels = await sharp(bytes, { failOn: 'error' })
      .autoOrient()
      .resize(size, size, { fit: 'cover' })
      .flatten({ background: '#fff' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer();
    return new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  } catch (error) {
    throw new DataError(decodeReason(bytes, error), { cause: error });
  }
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new DataError(`cannot be read (${fileErrorReason(error)})`, { cause: error });
  }
}

function decodeReason(bytes: Uint8Array, error: unknown): string {
  if (bytes.length === 0) return 'is empty';
  const head = Buffer.from(bytes.subarray(0, 16)).toString('latin1');
  if (/^....ftyp(hei|hev|mif1)/s.test(head)) return 'is HEIC, which needs converting to JPEG first';
  const message = error instanceof Error ? error.message : String(error);
  if (message.includes('unsupported image format')) return 'is not a picture';
  if (message.includes('pixel limit')) return 'has too many pixels';
  return `is damaged (${message.split('\n')[0]?.trim()})`;
}

/** Decoded pictures of one size, the first ones kept in memory up to a budget. */
export interface PictureStore extends RowStore<Uint8Array> {
  readonly size: number;
}

export function pictureStore(size: number, budgetBytes = 512 * 2 ** 20): PictureStore {
  const kept = new Map<string, Uint8Array>();
  const room = Math.floor(budgetBytes / (size * size * 3));
  return {
    size,
    async load(picture) {
      const known = kept.get(picture.file);
      if (known) return known;
      let pixels: Uint8Array;
      try {
        pixels = await decodePicture(picture.file, size);
      } catch (error) {
        const reason = error instanceof DataError ? error.message : String(error);
        throw new DataError(`${picture.file} cannot be used: it ${reason}.`, { cause: error });
      }
      if (kept.size < room) kept.set(picture.file, pixels);
      return pixels;
    },
  };
}

/** The data set with the hash of every picture that can be read; none is decoded. */
export async function hashPictures(
  data: DataSet,
  onProgress?: (done: number, total: number) => void,
): Promise<DataSet> {
  const pictures: Picture[] = [];
  for (const picture of data.pictures) {
    const sha256 = await sha256Of(picture.file).catch(() => undefined);
    pictures.push(sha256 === undefined ? picture : { ...picture, sha256 });
    onProgress?.(pictures.length, data.pictures.length);
  }
  return { ...data, pictures };
}

/**
 * Opens every picture once, notes the hash of its bytes, and moves those that cannot be decoded to `skipped`, so that bad
 * files are known before training starts and no epoch depends on them.
 * @throws DataError when a class has no readable picture left; the signal's reason when that ends it early.
 */
export async function checkPictures(
  data: DataSet,
  store: PictureStore,
  onProgress?: (done: number, total: number) => void,
  signal?: AbortSignal,
): Promise<DataSet> {
  const reasons = new Map<Picture, Skipped>();
  const hashes = new Map<Picture, string>();
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next < data.pictures.length) {
      signal?.throwIfAborted();
      const picture = data.pictures[next++] as Picture;
      try {
        await store.load(picture);
        hashes.set(picture, await sha256Of(picture.file));
      } catch (error) {
        const cause =
          error instanceof DataError && error.cause instanceof DataError ? error.cause.message : String(error);
        reasons.set(picture, { name: picture.name, reason: cause });
      }
      done += 1;
      onProgress?.(done, data.pictures.length);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  const pictures = data.pictures.flatMap((picture) => {
    const sha256 = hashes.get(picture);
    return sha256 === undefined ? [] : { ...picture, sha256 };
  });
  const has = (list: readonly Picture[], k: number) => list.some((picture) => picture.label === k);
  const lost = data.classes.find((_, k) => has(data.pictures, k) && !has(pictures, k));
  if (lost !== undefined) {
    const [first] = reasons.values();
    throw new DataError(`Class "${lost}" has no readable picture (${first?.name} ${first?.reason}).`, {
      remedy: 'Replace the damaged files, or remove that class.',
    });
  }
  const bad = data.pictures.flatMap((picture) => reasons.get(picture) ?? []);
  return { ...data, pictures, skipped: [...data.skipped, ...bad] };
}
