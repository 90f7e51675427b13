import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, DataError } from '../../engine/index.ts';
import { type CacheKey, FeatureCache, fingerprint } from '../../pipeline/features/cache.ts';

let parent = '';
let made = 0;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'features-'));
});
afterAll(() => rm(parent, { recursive: true }));

const folder = () => join(parent, String(made++));
const key: CacheKey = {
  weights: 'a',
  preprocessing: 'standardise',
  pictures: 'b',
  augmentation: 'none',
  shape: [2, 2, 3],
  dtype: 'f32',
  draws: 2,
};
const value = (record: number, i: number): number => Math.fround(Math.sin(record * 12 + i) * 10);

async function filled(path: string, dtype: 'f16' | 'f32'): Promise<FeatureCache> {
  const cache = await FeatureCache.open(path, { ...key, dtype }, { pictures: 5, recordsPerShard: 4 });
  for (const shard of await cache.missingShards()) {
    const { first, end } = cache.recordsOf(shard);
    await cache.writeShard(
      shard,
      Float32Array.from({ length: 12 * (end - first) }, (_, i) => value(first, i)),
    );
  }
  return cache;
}

describe.each([
  ['f32', 0],
  ['f16', 2 ** -11],
] as const)('a cache of %s', (dtype, tolerance) => {
  it('gives back what was stored, for every picture and draw', async () => {
    const cache = await filled(folder(), dtype);
    expect(cache.shards).toBe(3);
    expect(await cache.missingShards()).toEqual([]);
    const out = new Float32Array(12);
    for (let picture = 0; picture < 5; picture++) {
      for (let draw = 0; draw < 2; draw++) {
        await cache.read(cache.record(picture, draw), out);
        for (const [i, found] of out.entries()) {
          const wanted = value(
            4 * Math.floor(cache.record(picture, draw) / 4),
            (cache.record(picture, draw) % 4) * 12 + i,
          );
          expect(Math.abs(found - wanted)).toBeLessThanOrEqual(Math.abs(wanted) * tolerance);
        }
      }
    }
  });

  it('knows its size before it is written', async () => {
    const path = folder();
    const cache = await filled(path, dtype);
    const sizes = await Promise.all(
      [0, 1, 2].map(async (i) => (await readFile(join(path, `features-0000${i}.bin`))).length),
    );
    expect(sizes.reduce((a, b) => a + b)).toBe(cache.bytes);
  });
});

it('goes on where an interrupted run stopped', async () => {
  const path = folder();
  const cache = await filled(path, 'f32');
  await truncate(join(path, 'features-00001.bin'), 100);
  await rm(join(path, 'features-00002.bin'));
  expect(await cache.missingShards()).toEqual([1, 2]);
  expect(await (await filled(path, 'f32')).missingShards()).toEqual([]);
});

it.each([
  [{ weights: 'other' }, /weights was "a", is "other"/],
  [{ preprocessing: 'mean' }, /preprocessing was/],
  [{ pictures: 'c' }, /pictures was/],
  [{ draws: 3 }, /draws was 2, is 3/],
])('is refused when made with other things: %j', async (change, message) => {
  const path = folder();
  await filled(path, 'f32');
  const reopened = FeatureCache.open(path, { ...key, ...change }, { pictures: 5, recordsPerShard: 4 });
  await expect(reopened).rejects.toThrow(CheckpointError);
  await expect(FeatureCache.open(path, { ...key, ...change }, { pictures: 5, recordsPerShard: 4 })).rejects.toThrow(
    message,
  );
});

it('reports a changed byte, and only in its record', async () => {
  const path = folder();
  const cache = await filled(path, 'f32');
  const file = join(path, 'features-00000.bin');
  const bytes = await readFile(file);
  bytes[60] ^= 1;
  await writeFile(file, bytes);
  const out = new Float32Array(12);
  await expect(cache.read(1, out)).rejects.toThrow(/record 1 does not match its checksum/);
  await cache.read(0, out);
});

it('refuses features that 16-bit floats cannot hold, and takes the largest that they can', async () => {
  const write = async (dtype: 'f16' | 'f32', largest: number) => {
    const cache = await FeatureCache.open(folder(), { ...key, dtype, draws: 1 }, { pictures: 1 });
    await cache.writeShard(0, new Float32Array(12).fill(largest));
    const out = new Float32Array(12);
    await cache.read(0, out);
    return out[11];
  };
  await expect(write('f16', -65_520)).rejects.toThrow(/-65520 does not fit 16-bit floats.*\n.*--cache-dtype f32/s);
  expect(await write('f16', 65_519)).toBe(65_504);
  expect(await write('f32', 70_000)).toBe(70_000);
});

it('refuses features that are not finite, naming the record', async () => {
  const cache = await FeatureCache.open(folder(), key, { pictures: 5, recordsPerShard: 4 });
  const values = new Float32Array(48);
  values[30] = Number.NaN;
  await expect(cache.writeShard(1, values)).rejects.toThrow(DataError);
  await expect(cache.writeShard(1, values)).rejects.toThrow(/record 6/);
});

it('a fingerprint depends on order and on where parts end', () => {
  expect(fingerprint(['a', 'b'])).not.toBe(fingerprint(['b', 'a']));
  expect(fingerprint(['ab', 'c'])).not.toBe(fingerprint(['a', 'bc']));
});
