import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodePng, resizeTo } from '../../../pipeline/prepare/crop.ts';
import { openPhoto } from '../../../pipeline/prepare/photo.ts';
import { thumbnail } from '../../../pipeline/prepare/thumbnails.ts';
import { oneFace } from './fixtures.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-photo-'));
});
afterAll(() => rm(folder, { recursive: true }));

it('says of each what is wrong with it, however many fail at once', async () => {
  const picture = await oneFace().jpeg().toBuffer();
  const files = {
    'whole.jpg': picture,
    'header.jpg': picture.subarray(0, 300),
    'half.jpg': picture.subarray(0, picture.length / 2),
    'text.jpg': 'a letter to grandmother',
  };
  for (const [name, data] of Object.entries(files)) await writeFile(join(folder, name), data);
  const answer = async (name: string): Promise<string> => {
    try {
      await (await openPhoto(join(folder, name), 50)).shrunk(4000);
      return 'whole';
    } catch (error) {
      return (error as Error).message;
    }
  };
  for (let round = 0; round < 60; round++) {
    const [whole, ...others] = await Promise.all(Object.keys(files).map(answer));
    expect(whole).toBe('whole');
    expect(others[0]).toMatch(/^truncated file: .*premature end/);
    expect(others[1]).toMatch(/^truncated file: .*premature end/);
    expect(others[2]).toMatch(/^damaged file: .*unsupported image format/);
  }
});

it('says so beside others that succeed', async () => {
  const data = await oneFace().jpeg().toBuffer();
  const path = join(folder, 'half beside others.jpg');
  await writeFile(path, data.subarray(0, data.length / 2));
  const face = { width: 224, height: 224, data: Buffer.alloc(224 * 224 * 3, 100) };
  let done = false;
  const others = (async () => {
    while (!done) await Promise.all([encodePng(face), resizeTo(face, 64), thumbnail(face)]);
  })();
  try {
    for (let round = 0; round < 100; round++) {
      await expect(openPhoto(path, 50).then((photo) => photo.shrunk(4000))).rejects.toThrow(
        /^truncated file: .*premature end/,
      );
    }
  } finally {
    done = true;
    await others;
  }
});
