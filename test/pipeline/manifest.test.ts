import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DataError } from '../../engine/errors.ts';
import { writeFileAtomic } from '../../pipeline/files.ts';
import { appendManifest, type ManifestRow, readManifest, writeManifest } from '../../pipeline/manifest.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-manifest-'));
});
afterEach(() => rm(folder, { recursive: true }));

const rows: ManifestRow[] = [
  { path: 'happy/a b é.png', subject: 's1', label: 'happy', votes: { happy: 7, normal: 3 }, box: [1, 2, 3, 4] },
  { path: null, discarded: 'no face found', source: 'IMG_1.jpg' },
];

test('what is written is read back, with fields no one here knows', async () => {
  await writeManifest(folder, rows);
  await appendManifest(folder, [{ path: 'sad/c.png', mood: 'own field' }]);
  expect(await readManifest(folder)).toEqual([...rows, { path: 'sad/c.png', mood: 'own field' }]);
  expect(await readdir(folder)).toEqual(['manifest.jsonl']);
});

test('no manifest is no error', async () => {
  expect(await readManifest(folder)).toBeUndefined();
});

test('a line torn by a kill is left out, and the next append removes it', async () => {
  await writeManifest(folder, rows);
  await appendFile(join(folder, 'manifest.jsonl'), '{"path":"sad/ha');
  expect(await readManifest(folder)).toEqual(rows);
  await appendManifest(folder, [{ path: 'sad/c.png' }]);
  expect(await readManifest(folder)).toEqual([...rows, { path: 'sad/c.png' }]);
});

test('a manifest of another tool counts whole: a mark before it, Windows line ends, no newline after the last line', async () => {
  const path = join(folder, 'manifest.jsonl');
  await writeFile(path, `\uFEFF${rows.map((row) => JSON.stringify(row)).join('\r\n')}`);
  expect(await readManifest(folder)).toEqual(rows);
  await appendManifest(folder, [{ path: 'sad/c.png' }]);
  expect(await readManifest(folder)).toEqual([...rows, { path: 'sad/c.png' }]);
  await writeFile(path, `\uFEFF${JSON.stringify(rows[0])}`);
  await appendManifest(folder, [{ path: 'sad/c.png' }]);
  expect(await readManifest(folder)).toEqual([rows[0], { path: 'sad/c.png' }]);
});

test.each([
  ['{"path":"../../etc/passwd"}', /line 1: path \("\.\.\/\.\.\/etc\/passwd"\): must be relative/],
  ['{"path":"/etc/passwd"}', /path \("\/etc\/passwd"\): must be relative/],
  ['{"label":"happy"}', /path: /],
  ['{"path":"a.png","confidence":7}', /confidence \(7\): /],
  ['not json', /line 1 is not JSON/],
])('the faulty line %j is named', async (line, message) => {
  await writeFile(join(folder, 'manifest.jsonl'), `${line}\n`);
  await expect(readManifest(folder)).rejects.toThrow(DataError);
  await expect(readManifest(folder)).rejects.toThrow(message);
});

test('a write that fails leaves the old file and no temporary one', async () => {
  const path = join(folder, 'last.safetensors');
  await writeFileAtomic(path, 'old');
  // A folder in the way of the temporary name stands for any failure between opening and renaming.
  const blocked = join(path, 'inside');
  await expect(writeFileAtomic(blocked, 'new')).rejects.toThrow(/inside cannot be written: .*unchanged/);
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(folder)).toEqual(['last.safetensors']);
});
