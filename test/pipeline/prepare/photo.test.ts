import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPhoto } from '../../../pipeline/prepare/photo.ts';
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
