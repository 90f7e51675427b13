/**
 * Feature maps of a frozen extractor on disk: one record per picture and augmentation draw, in shards of a fixed number
 * of records. A shard is written in one piece with a checksum per record behind its records, so an interrupted run goes
 * on with the shards that are missing. Records are read by position through the system's page cache.
 */
import { createHash } from 'node:crypto';
import { open, readFile, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CheckpointError, DataError, floatToHalf, formatBytes, halfToFloat } from '../../engine/index.ts';
import { fileErrorReason, writeFileAtomic } from '../files.ts';

/** Everything that decides what a record holds: a cache made with another value of any of these is stale. */
export interface CacheKey {
  /** SHA-256 of the extractor's weights. */
  readonly weights: string;
  /** Preprocessing of the pictures, as stored with the weights. */
  readonly preprocessing: string;
  /** SHA-256 over the pictures' own hashes, in the order of the records. */
  readonly pictures: string;
  /** Augmentation and its seed; 'none' for pictures as they are. */
  readonly augmentation: string;
  /** Size of one record, e.g. [14, 14, 512]. */
  readonly shape: readonly number[];
  readonly dtype: 'f16' | 'f32';
  /** Augmentation draws per picture. */
  readonly draws: number;
}

export interface CacheOptions {
  readonly pictures: number;
  readonly recordsPerShard?: number;
}

const checksumBytes = 4;

/** SHA-256 of a list of strings or byte arrays, in order. */
export function fingerprint(parts: Iterable<string | Uint8Array>): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    hash.update(typeof part === 'string' ? JSON.stringify(part) : part);
  }
  return hash.digest('hex');
}

export class FeatureCache {
  readonly folder: string;
  readonly key: CacheKey;
  readonly records: number;
  readonly recordsPerShard: number;
  readonly #elements: number;

  private constructor(folder: string, key: CacheKey, pictures: number, recordsPerShard: number) {
    this.folder = folder;
    this.key = key;
    this.records = pictures * key.draws;
    this.recordsPerShard = recordsPerShard;
    this.#elements = key.shape.reduce((product, size) => product * size, 1);
  }

  /** Bytes of one record. */
  get recordBytes(): number {
    return this.#elements * (this.key.dtype === 'f16' ? 2 : 4);
  }

  get shards(): number {
    return Math.ceil(this.records / this.recordsPerShard);
  }

  /** Bytes of the whole cache: say this before writing it. */
  get bytes(): number {
    return this.records * (this.recordBytes + checksumBytes);
  }

  /**
   * Opens a cache or starts a new one in a folder.
   * @throws CheckpointError when the folder holds a cache made otherwise, naming what differs.
   */
  static async open(folder: string, key: CacheKey, options: CacheOptions): Promise<FeatureCache> {
    const path = join(folder, 'cache.json');
    const recordsPerShard = options.recordsPerShard ?? 64;
    const wanted = { ...key, pictureCount: options.pictures, recordsPerShard };
    let text: string | undefined;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw new DataError(`${path} cannot be read: ${fileErrorReason(error)}.`, { cause: error });
      }
    }
    if (text === undefined) await writeFileAtomic(path, `${JSON.stringify(wanted, null, 2)}\n`);
    else checkSame(folder, text, wanted);
    return new FeatureCache(folder, key, options.pictures, recordsPerShard);
  }

  #shardPath(shard: number): string {
    return join(this.folder, `features-${String(shard).padStart(5, '0')}.bin`);
  }

  /** The range of records of a shard: [first, end). */
  recordsOf(shard: number): { readonly first: number; readonly end: number } {
    const first = shard * this.recordsPerShard;
    return { first, end: Math.min(this.records, first + this.recordsPerShard) };
  }

  /** Which record holds a picture's draw. */
  record(picture: number, draw: number): number {
    return picture * this.key.draws + (draw % this.key.draws);
  }

  /** Shards that are not there in full. */
  async missingShards(): Promise<number[]> {
    const missing: number[] = [];
    for (let shard = 0; shard < this.shards; shard++) {
      const { first, end } = this.recordsOf(shard);
      const size = await stat(this.#shardPath(shard)).then(
        (info) => info.size,
        () => -1,
      );
      if (size !== (end - first) * (this.recordBytes + checksumBytes)) missing.push(shard);
    }
    return missing;
  }

  /** Refuses to start what the disk has no room for. @throws DataError with both sizes. */
  async checkRoom(missing: readonly number[]): Promise<void> {
    const needed = missing.length * this.recordsPerShard * (this.recordBytes + checksumBytes);
    const { bavail, bsize } = await statfs(this.folder);
    const free = Number(bavail) * Number(bsize);
    if (needed > free) {
      throw new DataError(
        `The feature cache needs ${formatBytes(needed)} and ${this.folder} has ${formatBytes(free)} free.`,
        {
          remedy: 'Choose another folder with --cache, store 16-bit floats (--cache-dtype f16) or fewer --draws.',
        },
      );
    }
  }

  /** Stores a whole shard; `values` are its records one after the other. */
  async writeShard(shard: number, values: Float32Array): Promise<void> {
    const { first, end } = this.recordsOf(shard);
    const count = end - first;
    if (values.length !== count * this.#elements) {
      throw new DataError(`Shard ${shard} needs ${count * this.#elements} values and was given ${values.length}.`);
    }
    const notFinite = values.findIndex((value) => !Number.isFinite(value));
    if (notFinite >= 0) {
      throw new DataError(`The features of record ${first + Math.floor(notFinite / this.#elements)} are not finite.`, {
        remedy: "Check the extractor's weights and its preprocessing.",
      });
    }
    // Rounded to halves, 65520 and more would become infinite, and the loss with it.
    const tooLarge = this.key.dtype === 'f16' ? values.findIndex((value) => Math.abs(value) >= 65_520) : -1;
    if (tooLarge >= 0) {
      throw new DataError(`A feature of ${values[tooLarge]} does not fit 16-bit floats, which end at 65504.`, {
        remedy: 'Store 32-bit floats (--cache-dtype f32), or check the preprocessing that the weights ask for.',
      });
    }
    const records = this.key.dtype === 'f16' ? Uint16Array.from(values, floatToHalf) : values;
    const bytes = new Uint8Array(records.buffer, records.byteOffset, records.byteLength);
    const file = new Uint8Array(count * (this.recordBytes + checksumBytes));
    file.set(bytes);
    const checksums = new DataView(file.buffer, count * this.recordBytes);
    for (let i = 0; i < count; i++) {
      checksums.setUint32(4 * i, crc32(bytes.subarray(i * this.recordBytes, (i + 1) * this.recordBytes)), true);
    }
    await writeFileAtomic(this.#shardPath(shard), file);
  }

  /**
   * Reads one record into `out`. @throws CheckpointError when its bytes do not match their checksum.
   */
  async read(record: number, out: Float32Array): Promise<void> {
    const shard = Math.floor(record / this.recordsPerShard);
    const { first, end } = this.recordsOf(shard);
    const path = this.#shardPath(shard);
    const bytes = new Uint8Array(this.recordBytes);
    const checksum = new Uint8Array(checksumBytes);
    try {
      const file = await open(path, 'r');
      try {
        await file.read(bytes, 0, bytes.length, (record - first) * this.recordBytes);
        await file.read(
          checksum,
          0,
          checksumBytes,
          (end - first) * this.recordBytes + (record - first) * checksumBytes,
        );
      } finally {
        await file.close();
      }
    } catch (error) {
      throw new DataError(`${path} cannot be read: ${fileErrorReason(error)}.`, { cause: error });
    }
    if (crc32(bytes) !== new DataView(checksum.buffer).getUint32(0, true)) {
      throw new CheckpointError(`${path}: record ${record} does not match its checksum.`, {
        remedy: 'Delete this file; it will be computed again.',
      });
    }
    if (this.key.dtype === 'f32') out.set(new Float32Array(bytes.buffer));
    else {
      const halves = new Uint16Array(bytes.buffer);
      for (let i = 0; i < halves.length; i++) out[i] = halfToFloat(halves[i]);
    }
  }
}

function checkSame(folder: string, text: string, wanted: object): void {
  let found: Record<string, unknown>;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`${join(folder, 'cache.json')} is damaged.`, {
      remedy: 'Delete the folder; the features will be computed again.',
      cause: error,
    });
  }
  const differing = Object.entries(wanted).filter(
    ([name, value]) => JSON.stringify(found[name]) !== JSON.stringify(value),
  );
  if (differing.length === 0) return;
  const list = differing.map(
    ([name, value]) => `${name} was ${JSON.stringify(found[name])}, is ${JSON.stringify(value)}`,
  );
  throw new CheckpointError(`The feature cache in ${folder} was made otherwise: ${list.join('; ')}.`, {
    remedy: 'Delete that folder, or give another one with --cache.',
  });
}
