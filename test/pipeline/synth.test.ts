import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readManifest } from '../../pipeline/manifest.ts';
import { random } from '../../pipeline/random.ts';
import { classCounts, synthesise, synthesisePicture } from '../../pipeline/synth/synthesise.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-synth-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('the whole paper set has the paper’s counts', () => {
  expect(classCounts(7600)).toEqual({ happy: 2502, sad: 1070, normal: 4028 });
  expect(classCounts(76)).toEqual({ happy: 25, sad: 11, normal: 40 });
});

test('draws a folder per class, a manifest that fits it and a contact sheet', async () => {
  const out = join(folder, 'drawn');
  const counts = await synthesise(out, { count: 32, perSubject: 4, seed: 5 });
  expect(counts).toEqual({ happy: 11, sad: 5, normal: 16 });
  const rows = (await readManifest(out)) ?? [];
  expect(rows).toHaveLength(32);
  expect(new Set(rows.map((row) => row.subject)).size).toBe(8);
  for (const label of ['happy', 'sad', 'normal'] as const) {
    const files = (await readdir(join(out, label))).map((name) => `${label}/${name}`);
    expect(files.sort()).toEqual(rows.flatMap((row) => (row.label === label ? [row.path] : [])).sort());
    expect(files).toHaveLength(counts[label]);
  }
  const picture = await sharp(join(out, rows[0]?.path ?? '')).metadata();
  expect([picture.width, picture.height, picture.channels]).toEqual([256, 256, 3]);
  expect((await sharp(join(out, 'contact-sheet.png')).metadata()).width).toBe(1280);
});

test('the same seed draws the same bytes, another seed or expression others', async () => {
  const picture = await synthesisePicture(1, 2, 3, 'happy');
  expect(await synthesisePicture(1, 2, 3, 'happy')).toEqual(picture);
  expect(await synthesisePicture(2, 2, 3, 'happy')).not.toEqual(picture);
  expect(await synthesisePicture(1, 2, 3, 'sad')).not.toEqual(picture);
});

test('refuses a folder with something in it, and leaves that alone', async () => {
  await writeFile(join(folder, 'mine.txt'), 'mine');
  await expect(synthesise(folder, { count: 30, perSubject: 4, seed: 1 })).rejects.toThrow(/is not empty/);
  expect(await readdir(folder)).toEqual(['mine.txt']);
  expect(await readFile(join(folder, 'mine.txt'), 'utf8')).toBe('mine');
  await expect(synthesise(join(folder, 'x'), { count: 3, perSubject: 4, seed: 1 })).rejects.toThrow(/at least 30/);
});

test('the host generator is uniform, normal and a fair shuffler', () => {
  const rng = random(7);
  const uniform = Array.from({ length: 20_000 }, () => rng.uniform());
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  expect(mean(uniform)).toBeCloseTo(0.5, 2);
  expect(mean(uniform.map((x) => (x - 0.5) ** 2))).toBeCloseTo(1 / 12, 2);
  expect(mean(uniform.slice(1).map((x, i) => (x - 0.5) * ((uniform[i] as number) - 0.5)))).toBeCloseTo(0, 2);
  const normal = Array.from({ length: 20_000 }, () => rng.normal(2, 3));
  expect(mean(normal)).toBeCloseTo(2, 1);
  expect(Math.sqrt(mean(normal.map((x) => (x - 2) ** 2)))).toBeCloseTo(3, 1);
  const firsts = [0, 0, 0, 0];
  for (let i = 0; i < 4000; i += 1) firsts[random(9, i).shuffle([0, 1, 2, 3])[0] as number] += 1;
  for (const count of firsts) expect(Math.abs(count - 1000)).toBeLessThan(120);
  expect(random(1, 2).uniform()).not.toBe(random(2, 1).uniform());
});
