import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readManifest } from '../../../pipeline/manifest.ts';
import { findShard, isOurs } from '../../../pipeline/prepare/shard.ts';
import { kindergrad, noFace, oneFace, temporaryFolder } from './fixtures.ts';

const count = 14;
let folder: string;
let input: string;
/** What one uninterrupted run makes. */
let whole: string;

/** Manifest, journal and the names of all pictures: what must not depend on how often or where it was run. */
async function made(output: string): Promise<unknown> {
  const text = (name: string) => readFile(join(output, name), 'utf8');
  const pictures = (name: string) => readdir(join(output, name));
  return Promise.all([text('manifest.jsonl'), text('sources.jsonl'), pictures('faces'), pictures('report/discarded')]);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  input = join(folder, 'photos');
  await mkdir(input);
  for (let i = 0; i < count; i++) {
    const image = i % 4 === 3 ? noFace(400 + i, 300) : oneFace().linear(1, i);
    await image.jpeg({ quality: 90 }).toFile(join(input, `${i}.jpg`));
  }
  whole = join(folder, 'whole');
  const done = await kindergrad(['prepare', input, whole]);
  expect(done.status, done.stderr).toBe(0);
});

it('loses at most the files at hand when it is killed, and ends the same', async () => {
  const output = join(folder, 'killed');
  let killed = 0;
  for (let attempt = 0; attempt < 3; attempt++) {
    const child = await kindergrad(['prepare', input, output, '--batch', '1'], {
      onOutput: (text, kill) => {
        // Not a terminal, so progress is rare; the manifest tells how far it is.
        if (text.includes('preparing')) setTimeout(kill, 400 + 900 * attempt);
      },
    });
    if (child.signal === 'SIGKILL') killed++;
  }
  expect(killed).toBeGreaterThan(0);
  await mkdir(join(output, 'faces'), { recursive: true });
  await writeFile(join(output, 'faces', '90fb.png.20644.tmp'), 'what a kill in the middle of writing leaves');
  const done = await kindergrad(['prepare', input, output]);
  expect(done.status, done.stderr).toBe(0);
  expect(await made(output)).toEqual(await made(whole));
});

describe('shards', () => {
  it('run as processes of their own, merged, make what one run makes', async () => {
    const output = join(folder, 'shards');
    const shard = (env: NodeJS.ProcessEnv, ...more: string[]) =>
      kindergrad(['prepare', input, output, ...more], { env });
    const [a, b] = await Promise.all([
      shard({}, '--shard', '0/3'),
      shard({ SLURM_ARRAY_TASK_ID: '2', SLURM_ARRAY_TASK_MIN: '1', SLURM_ARRAY_TASK_COUNT: '3' }),
    ]);
    expect([a.status, b.status], a.stderr + b.stderr).toEqual([0, 0]);
    const early = await kindergrad(['merge', output]);
    expect(early.status).toBe(1);
    expect(early.stderr).toContain('Shards are missing: shard-2-of-3');
    const c = await shard({ JOB_COMPLETION_INDEX: '2', JOB_COMPLETIONS: '3' });
    expect(c.status, c.stderr).toBe(0);
    for (const index of [0, 1, 2]) {
      const rows = (await readManifest(join(output, `shard-${index}-of-3`))) ?? [];
      expect(rows.length).toBeLessThan(count);
    }
    for (let again = 0; again < 2; again++) {
      const merged = await kindergrad(['merge', output]);
      expect(merged.status, merged.stderr).toBe(0);
      expect(await made(output)).toEqual(await made(whole));
    }
  });

  it('share out by content: every hash falls to exactly one', () => {
    const hashes = Array.from({ length: 200 }, (_, i) =>
      (i * 2_654_435_761).toString(16).padStart(12, '0').padEnd(64, '0'),
    );
    for (const hash of hashes) {
      const owners = [0, 1, 2, 3, 4].filter((index) => isOurs(hash, { index, count: 5 }));
      expect(owners).toHaveLength(1);
    }
  });

  it('are found in the options, then in Slurm, then in Kubernetes', () => {
    expect(findShard('1/4', {})).toEqual({ index: 1, count: 4 });
    expect(
      findShard(undefined, { SLURM_ARRAY_TASK_ID: '5', SLURM_ARRAY_TASK_MIN: '5', SLURM_ARRAY_TASK_COUNT: '2' }),
    ).toEqual({
      index: 0,
      count: 2,
    });
    expect(findShard(undefined, { JOB_COMPLETION_INDEX: '0', JOB_COMPLETIONS: '8' })).toEqual({ index: 0, count: 8 });
    expect(findShard(undefined, {})).toBeUndefined();
    for (const wrong of ['4/4', '1', 'a/b', '-1/2']) expect(() => findShard(wrong, {})).toThrow('no such shard');
    expect(() => findShard(undefined, { JOB_COMPLETION_INDEX: '0' })).toThrow('JOB_COMPLETIONS');
  });
});
