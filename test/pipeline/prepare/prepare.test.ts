import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/node.ts';
import type { FaceDetector } from '../../../models/face-detector/detector.ts';
import { type ManifestRow, readManifest } from '../../../pipeline/manifest.ts';
import { loadDetector, loadFaceLandmarks } from '../../../pipeline/prepare/detectors.ts';
import { readSources } from '../../../pipeline/prepare/journal.ts';
import { merge } from '../../../pipeline/prepare/merge.ts';
import { resolveOptions } from '../../../pipeline/prepare/options.ts';
import { type PrepareRun, prepare } from '../../../pipeline/prepare/prepare.ts';
import { compareOnCpu } from '../../../pipeline/prepare/ssim.ts';
import { kindergrad, noFace, oneFace, otherFace, samplePath, temporaryFolder } from './fixtures.ts';

let device: Device;
let detector: FaceDetector;
let folder: string;

beforeAll(async () => {
  device = await openDevice();
  detector = await loadDetector(resolveOptions({}));
  folder = await temporaryFolder();
});
afterAll(() => {
  detector.dispose();
  device.close();
});

const run = (input: string, output: string, options = {}, more: Partial<PrepareRun> = {}) =>
  prepare(input, output, resolveOptions(options), { detector, ...more });

async function rowsOf(output: string): Promise<Record<string, ManifestRow>> {
  const rows = (await readManifest(output)) ?? [];
  return Object.fromEntries(rows.map((row) => [row.source ?? '', row]));
}

/** Every file under a folder with its time of change and content. */
async function snapshot(path: string): Promise<Record<string, string>> {
  const names = await readdir(path, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const entries = files.map(async (file) => {
    const hash = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    return [file, `${(await stat(file)).mtimeMs} ${hash}`] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

describe('good photographs', () => {
  let input: string;
  let output: string;
  let rows: Record<string, ManifestRow>;

  beforeAll(async () => {
    input = join(folder, 'good');
    output = join(folder, 'good faces');
    await mkdir(join(input, 'anna'), { recursive: true });
    const exif = {
      IFD0: { Artist: 'Somebody', ImageDescription: 'Anna at home' },
      IFD3: { GPSLatitude: '52/1 30/1 0/1' },
    };
    await oneFace()
      .withExif(exif)
      .jpeg({ quality: 95 })
      .toFile(join(input, 'anna', 'upright.jpg'));
    await oneFace().rotate(270).png().toFile(join(input, 'lying.png'));
    // Stored lying, with the EXIF mark that says so: shown upright, so no turning is needed.
    await oneFace().rotate(270).withMetadata({ orientation: 6 }).jpeg().toFile(join(input, 'marked.jpg'));
    await oneFace().webp().toFile(join(input, 'two.webp'));
    await oneFace().avif({ effort: 0 }).toFile(join(input, 'three.avif'));
    await oneFace().tiff().toFile(join(input, 'four.tiff'));
    await oneFace().toColourspace('b-w').png().toFile(join(input, 'grey.png'));
    await oneFace().ensureAlpha(0.9).png().toFile(join(input, 'alpha.png'));
    await sharp(samplePath(1)).toFile(join(input, 'three people.jpg'));
    await noFace().jpeg().toFile(join(input, 'empty room.jpg'));
    await writeFile(join(input, 'again.jpg'), await readFile(join(input, 'anna', 'upright.jpg')));
    await run(input, output, { folders: 'subject' });
    rows = await rowsOf(output);
  });

  it('gives every file a row that says what became of it', () => {
    const kept = Object.values(rows).filter((row) => row.path !== null);
    expect(kept.map((row) => row.source).sort()).toEqual(
      ['again.jpg', 'alpha.png', 'four.tiff', 'grey.png', 'lying.png', 'marked.jpg', 'three.avif', 'two.webp'].sort(),
    );
    const discarded = Object.values(rows).filter((row) => row.path === null);
    expect(Object.fromEntries(discarded.map((row) => [row.source, row.discarded]))).toEqual({
      'anna/upright.jpg': 'duplicate file',
      'empty room.jpg': 'no face',
      'three people.jpg': 'several faces',
    });
    expect(rows['anna/upright.jpg']?.detail).toBe('the same as again.jpg');
    expect(rows['anna/upright.jpg']?.subject).toBe('anna');
    expect(rows['three people.jpg']?.detail).toMatch(/^3 faces, confidence 0\.\d\d, /);
  });

  it('writes 256×256 faces whose hash is in the manifest', async () => {
    for (const row of Object.values(rows)) {
      if (row.path === null) continue;
      const bytes = await readFile(join(output, row.path));
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(row.sha256);
      expect(await sharp(bytes).metadata()).toMatchObject({ width: 256, height: 256, channels: 3, format: 'png' });
    }
  });

  it('honours EXIF orientation and turns the rest until a face appears', async () => {
    expect(rows['marked.jpg']?.rotation).toBe(0);
    expect(rows['lying.png']?.rotation).toBe(90);
    const [x = 0, y = 0, width = 0, height = 0] = rows['grey.png']?.box ?? [];
    // Sample 1 holds this face at (414, 355), 177 × 240 pixels; the cut-out starts at (250, 180).
    expect(Math.abs(x + width / 2 - (414 + 88 - 250))).toBeLessThan(30);
    expect(Math.abs(y + height / 2 - (355 + 120 - 180))).toBeLessThan(40);
    // The turned photograph gives the same face: the crops differ by the rounding of their corners only.
    const gray = (source: string) =>
      sharp(join(output, rows[source]?.path ?? ''))
        .greyscale()
        .resize(32)
        .raw()
        .toBuffer();
    const [a, b] = await Promise.all([gray('lying.png'), gray('four.tiff')]);
    const difference = a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / a.length;
    expect(difference).toBeLessThan(12);
  });

  it('strips place, names and every other metadata, also from file names', async () => {
    const source = await sharp(join(input, 'again.jpg')).metadata();
    expect(source.exif).toBeDefined(); // else the test could not fail
    for (const file of Object.keys(await snapshot(output))) {
      if (!/\.(png|jpg)$/.test(file)) continue;
      const metadata = await sharp(file).metadata();
      expect([metadata.exif, metadata.xmp, metadata.iptc, metadata.icc, metadata.comments]).toEqual(
        Array(5).fill(undefined),
      );
      expect((await readFile(file)).includes('Somebody')).toBe(false);
      expect(file).not.toMatch(/anna|lying|marked/);
    }
  });

  it('does nothing when it is run again', async () => {
    const before = await snapshot(output);
    const again = await run(input, output, { folders: 'subject' });
    expect(again.worked).toBe(0);
    expect(await snapshot(output)).toEqual(before);
  });

  it('refuses other options, the same folder, and a data set that is not its own', async () => {
    await expect(run(input, output, { folders: 'subject', margin: 0.5 })).rejects.toThrow(
      'was prepared with other options: margin was 0.25, is now 0.5',
    );
    await expect(run(input, input)).rejects.toThrow('same folder');
    const file = join(folder, 'a file');
    await writeFile(file, '');
    await expect(run(input, file)).rejects.toThrow('a file of that name is in the way');
    const other = join(folder, 'other data set');
    await mkdir(other);
    await writeFile(join(other, 'manifest.jsonl'), '');
    await expect(run(input, other)).rejects.toThrow('not made by prepare');
  });

  it('removes nothing from a folder in which it has not been before', async () => {
    const shared = join(folder, 'shared');
    await mkdir(join(shared, 'work'), { recursive: true });
    await writeFile(join(shared, 'work', 'notes.123.tmp'), 'somebody else’s');
    await run(samplePath(1), shared);
    expect(await readFile(join(shared, 'work', 'notes.123.tmp'), 'utf8')).toBe('somebody else’s');
  });

  it('refuses a batch of no pictures, which no detector would ever finish', async () => {
    const { status, stderr } = await kindergrad(['prepare', input, join(folder, 'no batch'), '--batch', '0']);
    expect(status).toBe(1);
    expect(stderr).toContain('A whole number from 1 is needed.');
  });

  it('leaves nothing behind when the input is misspelt or holds no file', async () => {
    const hollow = join(folder, 'hollow');
    await mkdir(join(hollow, 'inside'), { recursive: true });
    const untouched = join(folder, 'untouched');
    await expect(run(join(folder, 'misspelt'), untouched)).rejects.toThrow('it does not exist');
    await expect(run(hollow, untouched)).rejects.toThrow('hollow holds no file');
    await expect(stat(untouched)).rejects.toThrow('ENOENT');
  });

  it('works a changed and an added file off, and nothing else', async () => {
    await otherFace().jpeg({ quality: 95 }).toFile(join(input, 'added.jpg'));
    await noFace(320, 240).jpeg().toFile(join(input, 'two.webp'));
    const again = await run(input, output, { folders: 'subject' });
    expect(again.worked).toBe(2);
    const now = await rowsOf(output);
    expect(now['added.jpg']?.path).toMatch(/^faces\/[0-9a-f]{16}\.png$/);
    expect(now['two.webp']?.discarded).toBe('no face');
    expect(now['lying.png']).toEqual(rows['lying.png']);
  });

  it('levels the eyes on demand', async () => {
    const tilted = join(folder, 'tilted');
    await mkdir(tilted);
    await oneFace().rotate(12, { background: 'grey' }).png().toFile(join(tilted, 'tilted.png'));
    const landmarks = await loadFaceLandmarks();
    await run(tilted, join(folder, 'plain'), {});
    await run(tilted, join(folder, 'level'), { align: true }, { landmarks });
    const tilt = async (output: string) => {
      const { path } = (await rowsOf(output))['tilted.png'] ?? {};
      const { data, info } = await sharp(join(output, path ?? ''))
        .raw()
        .toBuffer({ resolveWithObject: true });
      const [points = []] = await landmarks.find([{ width: info.width, height: info.height, data }]);
      const [left, right] = [points[36], points[45]];
      return (Math.atan2((right?.y ?? 0) - (left?.y ?? 0), (right?.x ?? 0) - (left?.x ?? 0)) * 180) / Math.PI;
    };
    const [plain, level] = [await tilt(join(folder, 'plain')), await tilt(join(folder, 'level'))];
    expect(plain).toBeGreaterThan(6);
    expect(Math.abs(level)).toBeLessThan(plain / 2);
    landmarks.dispose();
  });

  it('drops near duplicates across files on demand', async () => {
    const twins = join(folder, 'twins');
    await mkdir(twins);
    await oneFace().png().toFile(join(twins, 'a.png'));
    await oneFace().jpeg({ quality: 90 }).toFile(join(twins, 'b.jpg'));
    await otherFace().png().toFile(join(twins, 'c.png'));
    const output = join(folder, 'no twins');
    const done = await run(twins, output, { nearDuplicates: true });
    expect(done.counts.faces).toBe(2);
    const rows = await rowsOf(output);
    expect(rows['b.jpg']).toMatchObject({ path: null, discarded: 'near duplicate' });
    expect(rows['b.jpg']?.detail).toMatch(/^SSIM (0\.9|1\.0)\d+ with faces\//);
    expect(await readdir(join(output, 'faces'))).toHaveLength(2);
    const before = await snapshot(output);
    await run(twins, output, { nearDuplicates: true });
    expect(await snapshot(output)).toEqual(before);
  });
});

it('merges folders whose files have the same names, and counts a photograph that both have once', async () => {
  const outputs: string[] = [];
  for (const [phone, own] of [
    ['one', oneFace()],
    ['two', otherFace()],
  ] as const) {
    const input = join(folder, `phone ${phone}`);
    await mkdir(input);
    await own.png().toFile(join(input, 'IMG_0001.png'));
    await noFace(300, 200).png().toFile(join(input, 'IMG_0002.png'));
    await oneFace().linear(1, 9).png().toFile(join(input, 'IMG_0003.png'));
    outputs.push(join(folder, phone));
    await run(input, join(folder, phone));
  }
  const merged = join(folder, 'merged');
  const found = async () => {
    const counts = await merge(merged, outputs, compareOnCpu);
    expect(counts).toMatchObject({ files: 6, faces: 3, discarded: { 'no face': 2, 'duplicate file': 1 } });
    return Object.entries(await rowsOf(merged)).map(([source, row]) => [source, row.discarded ?? 'kept']);
  };
  expect(await found()).toEqual([
    ['one/IMG_0001.png', 'kept'],
    ['one/IMG_0002.png', 'no face'],
    ['one/IMG_0003.png', 'kept'],
    ['two/IMG_0001.png', 'kept'],
    ['two/IMG_0002.png', 'no face'],
    ['two/IMG_0003.png', 'duplicate file'],
  ]);
  const before = await snapshot(merged);
  await found();
  const { [join(merged, 'report', 'kept.png')]: _, [join(merged, 'report', 'discarded.png')]: __, ...rest } = before;
  expect(await snapshot(merged)).toMatchObject(rest);
  await expect(merge(merged, [outputs[0] ?? '', outputs[0] ?? ''], compareOnCpu)).rejects.toThrow('are called one/');
});

describe('bad input', () => {
  it('counts and explains each, and does the rest', async () => {
    const input = join(folder, 'bad');
    await mkdir(join(input, 'loop'), { recursive: true });
    const good = await oneFace().jpeg({ quality: 95 }).toBuffer();
    await writeFile(join(input, '-good one ü.jpg'), good);
    await writeFile(join(input, 'zero.jpg'), '');
    await writeFile(join(input, 'truncated.jpg'), good);
    await truncate(join(input, 'truncated.jpg'), Math.floor(good.length / 2));
    await writeFile(join(input, 'truncated.png'), (await oneFace().png().toBuffer()).subarray(0, 90_000));
    await writeFile(join(input, 'header only.jpg'), good.subarray(0, 20));
    await writeFile(join(input, 'garbage.jpg'), Buffer.concat([good.subarray(0, 3), Buffer.alloc(5000, 'x')]));
    await writeFile(join(input, 'document.jpg'), '%PDF-1.7\n1 0 obj\n<< >>\nendobj\n');
    await writeFile(join(input, 'notes.txt'), 'call grandmother');
    await writeFile(
      join(input, 'IMG_0001.HEIC'),
      Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypheic\0\0\0\0mif1heic')]),
    );
    await noFace(10_000, 10_000).jpeg().toFile(join(input, 'huge.jpg'));
    await symlink(input, join(input, 'loop', 'back'));
    await symlink('nowhere', join(input, 'gone.jpg'));
    const output = join(folder, 'bad faces');
    const done = await run(input, output, { maxMegapixels: 50 });
    const rows = await rowsOf(output);
    expect(Object.fromEntries(Object.entries(rows).map(([source, row]) => [source, row.discarded ?? 'kept']))).toEqual({
      '-good one ü.jpg': 'kept',
      'zero.jpg': 'empty file',
      'truncated.jpg': 'truncated file',
      'truncated.png': 'truncated file',
      'header only.jpg': 'truncated file',
      'garbage.jpg': 'damaged file',
      'document.jpg': 'not a picture',
      'notes.txt': 'not a picture',
      'IMG_0001.HEIC': 'heic picture',
      'huge.jpg': 'too large',
      'loop/back': 'link loop',
      'gone.jpg': 'broken link',
    });
    expect(rows['document.jpg']?.detail).toBe('the content is a PDF document');
    expect(rows['huge.jpg']?.detail).toBe('10000×10000 are 100.0 megapixels, 50 are allowed');
    expect(done.counts.faces).toBe(1);
    expect((await stat(join(output, 'report', 'discarded.png'))).size).toBeGreaterThan(500);
  });

  it('takes a 100-megapixel picture where it is allowed', async () => {
    const input = join(folder, 'huge');
    await mkdir(input);
    await noFace(10_000, 10_000).jpeg().toFile(join(input, 'huge.jpg'));
    await run(input, join(folder, 'huge faces'));
    expect((await rowsOf(join(folder, 'huge faces')))['huge.jpg']?.discarded).toBe('no face');
  });

  it('reports what may not be read, and tries it again when it may', async (test) => {
    const input = join(folder, 'locked');
    const output = join(folder, 'locked faces');
    await mkdir(join(input, 'secret'), { recursive: true });
    await oneFace()
      .jpeg()
      .toFile(join(input, 'secret', 'a.jpg'));
    await otherFace().jpeg().toFile(join(input, 'b.jpg'));
    await chmod(join(input, 'secret'), 0);
    await chmod(join(input, 'b.jpg'), 0);
    if (process.getuid?.() === 0) {
      // Root may read everything, so the run is handed to somebody else.
      await chmod(folder, 0o777);
      const child = await kindergrad(['prepare', input, output], { uid: 65_534, env: { HOME: folder } });
      if (/Cannot find|EACCES|not started|No adapter|permission/i.test(child.stderr) && child.status !== 0) {
        test.skip(`another user cannot run the program here: ${child.stderr.slice(0, 200)}`);
      }
      expect(child.status, child.stderr).toBe(0);
    } else await run(input, output);
    const rows = await rowsOf(output);
    expect(rows.secret?.discarded).toBe('unreadable folder');
    expect(rows['b.jpg']?.discarded).toBe('unreadable file');
    await chmod(join(input, 'secret'), 0o755);
    await chmod(join(input, 'b.jpg'), 0o644);
    const done = await run(input, output);
    expect(done.counts).toMatchObject({ faces: 2, discarded: {} });
  });

  it('stops with a plain word when the disk is full, and goes on when there is room', async (test) => {
    const input = join(folder, 'many');
    const disk = join(folder, 'small disk');
    await mkdir(input);
    await mkdir(disk);
    for (let i = 0; i < 6; i++)
      await oneFace()
        .modulate({ brightness: 1 + i / 20 })
        .png()
        .toFile(join(input, `${i}.png`));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      test.skip('mounting a small disk needs root');
    }
    try {
      const output = join(disk, 'faces');
      await expect(run(input, output)).rejects.toThrow(/the disk is full.*Free some space/s);
      const before = (await readManifest(output)) ?? [];
      expect(before.length).toBeLessThan(6);
      for (const row of before) expect((await stat(join(output, row.path ?? ''))).size).toBeGreaterThan(0);
      // The disk may have been full between a file's lines in the manifest and its own: it is done again.
      const finished = await readSources(output);
      expect(before.length - finished.length).toBeOneOf([0, 1]);
      execFileSync('mount', ['-o', 'remount,size=20m', disk]);
      const done = await run(input, output);
      expect(done.counts.faces).toBe(6);
      expect(done.worked).toBe(6 - finished.length);
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });
});
