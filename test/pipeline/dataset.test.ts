import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { batches, epochOrder } from '../../pipeline/dataset/batches.ts';
import { checkPictures, decodePicture, type PictureStore, pictureStore } from '../../pipeline/dataset/decode.ts';
import { type DataSet, type Picture, readDataSet } from '../../pipeline/dataset/read.ts';
import { splitDataSet } from '../../pipeline/dataset/split.ts';
import { subjectFromPath } from '../../pipeline/dataset/subject.ts';
import { type ManifestRow, writeManifest } from '../../pipeline/manifest.ts';
import { random } from '../../pipeline/random.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-dataset-'));
});
afterEach(() => rm(folder, { recursive: true }));

const colour = (background: string, size = 16) =>
  sharp({ create: { width: size, height: size, channels: 3, background } })
    .png()
    .toBuffer();

async function put(path: string, contents: Uint8Array | string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), contents);
}

describe('reading', () => {
  test('a folder per class, classes in alphabetical order, subjects by the rule', async () => {
    for (const path of ['sad/Anna_1.png', 'sad/Anna_2.png', 'happy/Anna_3.png', 'happy/ben/x.png', '.hidden/x.png']) {
      await put(path, await colour('red'));
    }
    const data = await readDataSet(folder);
    expect(data.classes).toEqual(['happy', 'sad']);
    expect(data.pictures.map(({ name, label, subject }) => [name, label, subject])).toEqual([
      ['happy/Anna_3.png', 0, 'Anna'],
      ['happy/ben/x.png', 0, 'ben'],
      ['sad/Anna_1.png', 1, 'Anna'],
      ['sad/Anna_2.png', 1, 'Anna'],
    ]);
    expect(data.skipped).toEqual([]);
  });

  test('labels of the manifest decide, with soft targets, dropped errors and counted leftovers', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await put(`faces/${name}.png`, await colour('red'));
    const rows: ManifestRow[] = [
      { path: 'faces/a.png', label: 'happy', votes: { happy: 7, sad: 2, error: 1 }, subject: 's1' },
      { path: 'faces/b.png', label: 'sad', subject: 's2', split: 'test' },
      { path: 'faces/c.png', label: 'error' },
      { path: 'faces/d.png' },
      { path: 'faces/gone.png', label: 'sad' },
      { path: null, discarded: 'two faces' },
    ];
    await writeManifest(folder, rows);
    const soft = await readDataSet(folder, { targets: 'soft' });
    expect(soft.classes).toEqual(['happy', 'sad']);
    expect(soft.pictures.map(({ target }) => target)).toEqual([
      [7 / 9, 2 / 9],
      [0, 1],
    ]);
    expect(soft.pictures.map(({ split }) => split)).toEqual([undefined, 'test']);
    expect(soft.skipped).toEqual([
      { name: 'faces/c.png', reason: 'raters labelled it "error"' },
      { name: 'faces/d.png', reason: 'has no label yet' },
      { name: 'faces/e.png', reason: 'is not listed in manifest.jsonl' },
      { name: 'faces/gone.png', reason: 'is listed in manifest.jsonl but missing' },
    ]);
    const majority = await readDataSet(folder, { targets: 'majority' });
    expect(majority.pictures[0]?.target).toEqual([1, 0]);
  });

  test('a file named after the class it lay in shows nobody, also when raters have chosen another', async () => {
    const rows = ['happy/happy_1.png', 'happy/happy_2.png', 'sad/sad_1.png', 'sad/Anna_2.png'];
    for (const path of rows) await put(path, await colour('red'));
    const labels = ['happy', 'sad', 'happy', 'happy'];
    await writeManifest(
      folder,
      rows.map((path, i) => ({ path, label: labels[i] })),
    );
    const { pictures } = await readDataSet(folder);
    expect(pictures.map(({ subject }) => subject)).toEqual(['happy/happy_1', 'sad/happy_2', 'Anna', 'happy/sad_1']);
  });

  /** The subjects of pictures at these paths, whose labels a manifest gives. */
  async function listed(labels: Record<string, string>, votes?: Record<string, number>) {
    for (const path of Object.keys(labels)) await put(path, await colour('red'));
    await writeManifest(
      folder,
      Object.entries(labels).map(([path, label]) => ({ path, label, ...(votes && { votes }) })),
    );
    const { pictures } = await readDataSet(folder);
    return Object.fromEntries(pictures.map(({ name, subject, toldBy }) => [name, [subject, toldBy]]));
  }

  test('a first folder that is no class names the child, where a manifest gives the labels', async () => {
    const labels = {
      'anna/01.png': 'happy',
      'anna/02.png': 'sad',
      'ben/01.png': 'happy',
      'ben/smile_2.png': 'sad',
      'Happy/carl/3.png': 'happy',
    };
    expect(await listed(labels)).toEqual({
      'anna/01.png': ['anna', 'folder'],
      'anna/02.png': ['anna', 'folder'],
      'ben/01.png': ['ben', 'folder'],
      'ben/smile_2.png': ['ben', 'folder'],
      'Happy/carl/3.png': ['carl', 'folder'],
    });
  });

  test('a folder of everybody names nobody: one that all pictures share, one that tools make, one of a class', async () => {
    const shared = { 'nursery/anna/01.png': 'happy', 'nursery/ben/01.png': 'sad', 'nursery/Carl_2.png': 'sad' };
    expect(await listed(shared)).toEqual({
      'nursery/anna/01.png': ['anna', 'folder'],
      'nursery/ben/01.png': ['ben', 'folder'],
      'nursery/Carl_2.png': ['Carl', 'name'],
    });
    await rm(join(folder, 'nursery'), { recursive: true });
    const made = { 'faces/9d17375958ac8b7d.png': 'happy', 'extra/1.png': 'sad', 'normal/2.png': 'sad' };
    // No picture is normal, but raters were asked whether one is.
    expect(await listed(made, { normal: 1, happy: 2, sad: 2 })).toEqual({
      'faces/9d17375958ac8b7d.png': ['happy/9d17375958ac8b7d', undefined],
      'extra/1.png': ['extra', 'folder'],
      'normal/2.png': ['sad/2', undefined],
    });
  });

  test('a missing folder, an empty class and a single class are named', async () => {
    await expect(readDataSet(join(folder, 'nowhere'))).rejects.toThrow(/nowhere cannot be read: it does not exist/);
    await put('happy/a.png', await colour('red'));
    await expect(readDataSet(folder)).rejects.toThrow(/only one class, "happy"/);
    await mkdir(join(folder, 'sad'));
    await expect(readDataSet(folder)).rejects.toThrow(/class folder .*sad holds no picture/);
  });

  test.each([
    ['Abdullah_Gul_0003.jpg', 'Abdullah_Gul'],
    ['s0012_03.jpg', 's0012'],
    ['anna 2 (3).jpg', 'anna'],
    ['anna/2024/x.jpg', 'anna/2024'],
    ['0250.jpg', 'happy/0250'],
    ['IMG_20230101_123456.jpg', 'happy/IMG_20230101_123456'],
    ['DSC_0001.jpg', 'happy/DSC_0001'],
    ['happy_17.jpg', 'happy/happy_17'],
    ['portrait.jpg', 'happy/portrait'],
  ])('%s shows %s', (path, subject) => {
    expect(subjectFromPath(path, 'happy')).toBe(subject);
  });
});

describe('splitting', () => {
  /** Subjects with a few pictures each, in the paper's imbalance. */
  function made(subjects: number, extra: Partial<Picture> = {}): DataSet {
    const rng = random(3);
    const pictures: Picture[] = [];
    for (let s = 0; s < subjects; s += 1) {
      for (let i = 1 + rng.integer(8); i > 0; i -= 1) {
        const draw = rng.uniform();
        const label = draw < 0.33 ? 0 : draw < 0.86 ? 1 : 2;
        const name = `${label}/${s}-${i}`;
        pictures.push({ file: name, name, label, target: [], subject: `s${s}`, generated: false, ...extra });
      }
    }
    return { folder: 'made', classes: ['happy', 'normal', 'sad'], pictures, skipped: [] };
  }
  const options = { testShare: 0.2, valShare: 0.1, seed: 1, generatedInTest: false };

  test('keeps subjects whole and the share of every class', () => {
    const data = made(120);
    const { train, val, test: held } = splitDataSet(data, options);
    expect(train.length + val.length + held.length).toBe(data.pictures.length);
    const sides = new Map<string, Set<string>>();
    for (const [side, pictures] of Object.entries({ train, val, held })) {
      for (const { subject } of pictures) sides.set(subject, (sides.get(subject) ?? new Set()).add(side));
    }
    expect(Math.max(...[...sides.values()].map((set) => set.size))).toBe(1);
    for (const label of [0, 1, 2]) {
      const count = (pictures: readonly Picture[]) => pictures.filter((picture) => picture.label === label).length;
      expect(Math.abs(count(held) / count(data.pictures) - 0.2)).toBeLessThan(0.03);
      expect(Math.abs(count(val) / count(data.pictures) - 0.1)).toBeLessThan(0.03);
    }
  });

  test('is a function of the seed', () => {
    const names = (seed: number) => splitDataSet(made(60), { ...options, seed }).test.map(({ name }) => name);
    expect(names(1)).toEqual(names(1));
    expect(names(1)).not.toEqual(names(2));
  });

  test('keeps generated pictures out of tests, and those of held-out subjects out of training', () => {
    const data = made(120);
    const generated = data.pictures.map((picture) => ({ ...picture, name: `g${picture.name}`, generated: true }));
    const both = { ...data, pictures: [...data.pictures, ...generated] };
    const split = splitDataSet(both, options);
    expect([...split.test, ...split.val].some((picture) => picture.generated)).toBe(false);
    const held = new Set([...split.test, ...split.val].map(({ subject }) => subject));
    expect(split.train.some(({ subject }) => held.has(subject))).toBe(false);
    expect(split.leftOut.length).toBe(split.test.length + split.val.length);
    const asPaper = splitDataSet(both, { ...options, generatedInTest: true });
    expect(asPaper.test.filter((picture) => picture.generated).length).toBe(asPaper.test.length / 2);
  });

  test('honours a split in the manifest and refuses a subject on two sides', () => {
    const data = made(60);
    const fixed = data.pictures.map(
      (picture): Picture => (picture.subject < 's3' ? { ...picture, split: 'test' } : picture),
    );
    const result = splitDataSet({ ...data, pictures: fixed }, options);
    expect(result.test.every(({ subject }) => subject < 's3')).toBe(true);
    const [first, ...rest] = data.pictures.filter(({ subject }) => subject === data.pictures[0]?.subject) as [
      Picture,
      ...Picture[],
    ];
    const torn: Picture[] = [
      { ...first, split: 'test' },
      { ...(rest[0] ?? first), split: 'train' },
    ];
    expect(() => splitDataSet({ ...data, pictures: [...data.pictures, ...torn] }, options)).toThrow(/both into/);
  });

  test('says when a class cannot be on every side', () => {
    expect(() => splitDataSet(made(2), options)).toThrow(
      /No real picture of class .* is left for .* when 2 subjects stay whole/,
    );
  });
});

describe('decoding', () => {
  const pixel = (bytes: Uint8Array, at: number) => [...bytes.subarray(at * 3, at * 3 + 3)];
  const near = (bytes: Uint8Array, at: number, wanted: number[]) =>
    pixel(bytes, at).forEach((value, i) => {
      expect(Math.abs(value - (wanted[i] as number))).toBeLessThan(20);
    });
  const halves = () =>
    sharp({ create: { width: 64, height: 64, channels: 3, background: '#f00' } }).composite([
      { input: { create: { width: 64, height: 32, channels: 3, background: '#00f' } }, left: 0, top: 32 },
    ]);

  test('EXIF orientation is honoured', async () => {
    const upright = await decodePicture(await halves().jpeg().toBuffer(), 8);
    near(upright, 3, [255, 0, 0]);
    near(upright, 60, [0, 0, 255]);
    // Orientation 6: the camera was held so that the picture must be turned 90° clockwise; the top goes to the right.
    const turned = await decodePicture(await halves().withMetadata({ orientation: 6 }).jpeg().toBuffer(), 8);
    near(turned, 8 * 4, [0, 0, 255]);
    near(turned, 8 * 4 + 7, [255, 0, 0]);
  });

  test.each([
    [
      'png',
      () =>
        sharp(Buffer.alloc(64, 128), { raw: { width: 8, height: 8, channels: 1 } })
          .png()
          .toBuffer(),
    ],
    [
      '16-bit png',
      async () =>
        sharp(await colour('#808080'))
          .toColourspace('rgb16')
          .png()
          .toBuffer(),
    ],
    [
      'webp',
      async () =>
        sharp(await colour('#808080'))
          .webp({ lossless: true })
          .toBuffer(),
    ],
    [
      'avif',
      async () =>
        sharp(await colour('#808080'))
          .avif()
          .toBuffer(),
    ],
    [
      'tiff',
      async () =>
        sharp(await colour('#808080'))
          .tiff()
          .toBuffer(),
    ],
    [
      'gif',
      async () =>
        sharp(await colour('#808080'))
          .gif()
          .toBuffer(),
    ],
    [
      'cmyk jpeg',
      async () =>
        sharp(await colour('#808080'))
          .toColourspace('cmyk')
          .jpeg()
          .toBuffer(),
    ],
  ])('%s of any depth becomes 8-bit RGB', async (_, make) => {
    const bytes = await decodePicture(await make(), 4);
    expect(bytes).toHaveLength(48);
    near(bytes, 5, [128, 128, 128]);
  });

  test('transparency is laid on white', async () => {
    const clear = await sharp({
      create: { width: 8, height: 8, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    })
      .png()
      .toBuffer();
    expect(pixel(await decodePicture(clear, 4), 0)).toEqual([255, 255, 255]);
  });

  test('bad files are counted with their reasons and the rest stays', async () => {
    const jpeg = await sharp(await colour('green', 200))
      .jpeg()
      .toBuffer();
    await put('happy/text.jpg', 'this is not a picture');
    await put('happy/empty.png', '');
    await put('happy/cut.jpg', jpeg.subarray(0, jpeg.length - 200));
    await put('happy/good.jpg', jpeg);
    await put('sad/good.jpg', jpeg);
    const checked = await checkPictures(await readDataSet(folder), pictureStore(16));
    expect(checked.pictures.map(({ name }) => name)).toEqual(['happy/good.jpg', 'sad/good.jpg']);
    expect(checked.skipped.map(({ name, reason }) => `${name} ${reason.split('(')[0]?.trim()}`)).toEqual([
      'happy/cut.jpg is damaged',
      'happy/empty.png is empty',
      'happy/text.jpg is not a picture',
    ]);
  });

  test('a check that is told to stop reads no further', async () => {
    for (let i = 0; i < 40; i += 1) await put(`${i % 2 ? 'happy' : 'sad'}/Anna_${i}.png`, await colour('red'));
    const controller = new AbortController();
    let read = 0;
    const checking = checkPictures(
      await readDataSet(folder),
      pictureStore(16),
      () => {
        read += 1;
        controller.abort();
      },
      controller.signal,
    );
    expect(await checking.catch((error: unknown) => error)).toBe(controller.signal.reason);
    expect(read).toBeLessThanOrEqual(4);
  });

  test('a class without one readable picture is an error', async () => {
    await put('happy/a.jpg', 'text');
    await put('sad/a.png', await colour('red'));
    await expect(checkPictures(await readDataSet(folder), pictureStore(16))).rejects.toThrow(
      /Class "happy" has no readable picture \(happy\/a.jpg is not a picture\)/,
    );
  });

  test('a file that vanishes after the check is named', async () => {
    await put('happy/a.png', await colour('red'));
    await put('sad/a.png', await colour('red'));
    const data = await readDataSet(folder);
    await rm(join(folder, 'sad/a.png'));
    const drain = async () => {
      for await (const batch of batches(pictureStore(8), data.pictures, { batchSize: 2 })) expect(batch).toBeDefined();
    };
    await expect(drain()).rejects.toThrow(/sad\/a.png cannot be used: it cannot be read \(it does not exist\)/);
  });
});

describe('batches', () => {
  const pictures = Array.from({ length: 10 }, (_, i): Picture => {
    return {
      file: String(i),
      name: String(i),
      label: i % 3,
      target: [0, 1, 2].map((k) => (k === i % 3 ? 1 : 0)),
      subject: '',
      generated: false,
    };
  });
  /** Decoding that finishes in a random order, and knows how many pictures were asked for at once. */
  function slowStore(seed: number): PictureStore & { peak: number } {
    const rng = random(seed);
    let open = 0;
    const store = {
      size: 2,
      peak: 0,
      async load(picture: Picture) {
        open += 1;
        store.peak = Math.max(store.peak, open);
        await new Promise((resolve) => setTimeout(resolve, rng.uniform(0, 8)));
        open -= 1;
        return new Uint8Array(12).fill(Number(picture.name));
      },
    };
    return store;
  }
  async function collect(store: PictureStore, options: Parameters<typeof batches>[2]): Promise<number[][]> {
    const result: number[][] = [];
    for await (const { images, pictures: own } of batches(store, pictures, options)) {
      result.push(own.map((_, row) => images[row * 12] as number));
    }
    return result;
  }

  test('come in order however long each picture takes, with bounded work ahead', async () => {
    for (const seed of [1, 2, 3]) {
      const store = slowStore(seed);
      expect(await collect(store, { batchSize: 2, ahead: 2 })).toEqual([
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7],
        [8, 9],
      ]);
      expect(store.peak).toBeLessThanOrEqual(6);
      expect(store.peak).toBeGreaterThan(2);
    }
  });

  test('the last one is filled up or dropped, and a start skips whole batches', async () => {
    expect(await collect(slowStore(1), { batchSize: 4, dropLast: true })).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
    expect(await collect(slowStore(1), { batchSize: 4, start: 2 })).toEqual([[8, 9]]);
    for await (const batch of batches(slowStore(1), pictures, { batchSize: 4, start: 2 })) {
      expect([...batch.labels]).toEqual([2, 0, 0, 0]);
      expect([...batch.targets]).toEqual([0, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0]);
      expect(batch.images[3 * 12]).toBe(9);
    }
  });

  test('every epoch has an order of its own, the same in every run', () => {
    const names = (epoch: number) => epochOrder(pictures, 1, epoch).map(({ name }) => name);
    expect(names(4)).toEqual(names(4));
    expect(names(4)).not.toEqual(names(5));
    expect([...names(4)].sort()).toEqual(pictures.map(({ name }) => name));
  });
});
