/** The frozen extractor's features of a run's pictures, from the cache on disk; computed first where they are missing. */
import { join } from 'node:path';
import { formatBytes } from '../../engine/index.ts';
import type { RowStore } from '../dataset/batches.ts';
import type { PictureStore } from '../dataset/decode.ts';
import type { Picture } from '../dataset/read.ts';
import { plural } from '../plural.ts';
import { progress } from '../progress.ts';
import { type CacheKey, FeatureCache, fingerprint } from './cache.ts';

/** Features of one micro-batch of 8-bit pictures. */
export interface Extractor {
  /** Size of one picture's features. */
  readonly shape: readonly number[];
  readonly microBatch: number;
  /** SHA-256 of its weights. */
  readonly weights: string;
  /** What the pictures go through, as text: part of what makes a cache stale. */
  readonly preprocessing: string;
  /** What an augmented draw is made with, as text. */
  readonly augmentation: string;
  /**
   * The same array at every call.
   * @param draw number of the random draw; undefined takes the middle of the pictures, unaugmented
   */
  extract(images: Uint8Array, draw: number | undefined): Promise<Float32Array>;
  dispose(): void;
}

export interface FeatureOptions {
  readonly folder: string;
  readonly dtype: 'f16' | 'f32';
  /** Augmentation draws of each training picture. */
  readonly draws: number;
  readonly say: (line: string) => void;
  /** Aborting it ends the computation after the picture or the shard under way. */
  readonly signal: AbortSignal;
}

/** One cache: `pictures` with so many draws each, or unaugmented; nothing when it was interrupted. */
async function fill(
  extractor: Extractor,
  pictures: readonly Picture[],
  store: PictureStore,
  options: FeatureOptions & { name: string; augmented: boolean },
): Promise<FeatureCache | undefined> {
  const { folder, name, dtype, say, signal, augmented } = options;
  const draws = augmented ? options.draws : 1;
  const hashes: string[] = [];
  for (const picture of pictures) {
    if (signal.aborted) return undefined;
    hashes.push(fingerprint([await store.load(picture)]));
  }
  const key: CacheKey = {
    weights: extractor.weights,
    preprocessing: extractor.preprocessing,
    pictures: fingerprint(hashes),
    augmentation: augmented ? extractor.augmentation : 'none',
    shape: extractor.shape,
    dtype,
    draws,
  };
  const cache = await FeatureCache.open(join(folder, name), key, { pictures: pictures.length });
  const missing = await cache.missingShards();
  const have = missing.length === 0 ? ', all there' : missing.length < cache.shards ? ', partly there' : '';
  say(
    `features of ${plural(pictures.length, `${name} picture`)} × ${draws}: ${formatBytes(cache.bytes)} of ${dtype} in ${cache.folder}${have}`,
  );
  await cache.checkRoom(missing);
  const line = progress(`features (${name})`);
  const picturesOf = async (from: number, to: number): Promise<Uint8Array> => {
    const rows = await Promise.all(
      Array.from({ length: to - from }, (_, i) => store.load(pictures[Math.floor((from + i) / draws)])),
    );
    const images = new Uint8Array(extractor.microBatch * rows[0].length);
    for (const [i, row] of rows.entries()) images.set(row, i * row.length);
    return images;
  };
  for (const [done, shard] of missing.entries()) {
    if (signal.aborted) break;
    line.update(done, missing.length);
    const { first, end } = cache.recordsOf(shard);
    const size = extractor.shape.reduce((product, n) => product * n, 1);
    const values = new Float32Array((end - first) * size);
    for (let start = first; start < end; start += extractor.microBatch) {
      const count = Math.min(extractor.microBatch, end - start);
      const images = await picturesOf(start, Math.min(start + extractor.microBatch, end));
      // the draw's number depends on the place in the cache alone: a cache that was interrupted goes on as it began
      const features = await extractor.extract(images, augmented ? start : undefined);
      values.set(features.subarray(0, count * size), (start - first) * size);
    }
    await cache.writeShard(shard, values);
  }
  if (missing.length > 0 && !signal.aborted) line.update(missing.length, missing.length);
  line.finish();
  return signal.aborted ? undefined : cache;
}

/**
 * Features of all pictures of a split: training pictures with `draws` augmentations, of which an epoch sees one each in
 * turn; the others unaugmented.
 * @returns nothing when the computation was interrupted; what is there stays
 */
export async function featureStore(
  extractor: Extractor,
  split: { readonly train: readonly Picture[]; readonly val: readonly Picture[]; readonly test: readonly Picture[] },
  store: PictureStore,
  options: FeatureOptions,
): Promise<RowStore<Float32Array> | undefined> {
  const training = [...new Set(split.train)];
  const held = [...new Set([...split.val, ...split.test])];
  const train = await fill(extractor, training, store, { ...options, name: 'train', augmented: true });
  const test = train && (await fill(extractor, held, store, { ...options, name: 'test', augmented: false }));
  if (!test) return undefined;
  const places = new Map<Picture, { cache: FeatureCache; index: number }>();
  for (const [index, picture] of training.entries()) places.set(picture, { cache: train, index });
  for (const [index, picture] of held.entries()) places.set(picture, { cache: test, index });
  const size = extractor.shape.reduce((product, n) => product * n, 1);
  return {
    async load(picture, epoch = 0) {
      const place = places.get(picture);
      if (!place) throw new Error(`${picture.name} is not among the pictures of the feature cache`);
      const out = new Float32Array(size);
      await place.cache.read(place.cache.record(place.index, epoch + place.index), out);
      return out;
    },
  };
}
