import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { walk } from '../../../pipeline/prepare/walk.ts';
import { temporaryFolder } from './fixtures.ts';

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  await mkdir(join(folder, 'a'));
  await mkdir(join(folder, 'out', 'faces'), { recursive: true });
  await mkdir(join(folder, 'elsewhere'));
  await writeFile(join(folder, 'a', 'with spaces.jpg'), 'x');
  await writeFile(join(folder, 'a', '-dash.jpg'), 'x');
  await writeFile(join(folder, 'a', 'schöne 🍼 Füße.jpg'), 'x');
  await writeFile(join(folder, 'out', 'faces', 'made.png'), 'x');
  await writeFile(join(folder, 'elsewhere', 'b.jpg'), 'x');
  await symlink(folder, join(folder, 'a', 'up')); // a loop
  await symlink('self', join(folder, 'self')); // a link to itself
  await symlink('gone.jpg', join(folder, 'broken.jpg'));
  await symlink(join('..', 'elsewhere', 'b.jpg'), join(folder, 'a', 'link.jpg'));
  await writeFile(
    Buffer.concat([Buffer.from(join(folder, 'a', 'latin-')), Buffer.from([0xe9]), Buffer.from('.jpg')]),
    'x',
  );
  execFileSync('mkfifo', [join(folder, 'a', 'pipe.jpg')]);
});

it('finds every file once, whatever its name, in one order, and leaves the output out', async () => {
  const { files } = await walk(folder, join(folder, 'out'));
  expect(files.map(({ source }) => source)).toEqual([
    'a/-dash.jpg',
    'a/link.jpg',
    'a/schöne 🍼 Füße.jpg',
    'a/with spaces.jpg',
    'elsewhere/b.jpg',
  ]);
});

it('reports loops, broken links, pipes and names that are not Unicode, and goes on', async () => {
  const { problems } = await walk(folder, join(folder, 'out'));
  const found = Object.fromEntries(problems.map(({ source, reason }) => [source, reason]));
  expect(found).toEqual({
    'a/latin-\ufffd.jpg': 'unreadable name',
    'a/pipe.jpg': 'not a file',
    'a/up': 'link loop',
    'broken.jpg': 'broken link',
    self: 'link loop',
  });
});

it('takes a single file, and names a folder that is not there', async () => {
  const path = join(folder, 'a', '-dash.jpg');
  expect((await walk(path)).files).toEqual([{ path, source: '-dash.jpg', bytes: 1 }]);
  await expect(walk(join(folder, 'nowhere'))).rejects.toThrow('nowhere cannot be read: it does not exist');
});
