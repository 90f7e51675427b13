import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/node.ts';
import { cycleGanConfig } from '../../../models/index.ts';
import type { GanRunConfig } from '../../../pipeline/balance/config.ts';
import { gridPath, loadSize, trainGan } from '../../../pipeline/balance/gan-training.ts';
import { supplyOf } from '../../../pipeline/balance/generate.ts';
import { planBalance, realPictures, trainable } from '../../../pipeline/balance/plan.ts';
import { pictureStore } from '../../../pipeline/dataset/decode.ts';
import { type DataSet, readDataSet } from '../../../pipeline/dataset/read.ts';
import { loadCheckpoint } from '../../../pipeline/run/checkpoint.ts';
import { RunFolder, readEvents } from '../../../pipeline/run/folder.ts';
import { synthesise } from '../../../pipeline/synth/synthesise.ts';

let device: Device;
let folder: string;
let data: DataSet;
beforeAll(async () => {
  device = await openDevice();
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-balance-'));
  await synthesise(join(folder, 'drawn'), { count: 40, perSubject: 3, seed: 3 });
  data = await readDataSet(join(folder, 'drawn'));
});
afterAll(async () => {
  await device.close();
  await rm(folder, { recursive: true });
});

const config: GanRunConfig = {
  kind: 'cyclegan',
  data: 'drawn',
  from: 'normal',
  to: 'happy',
  epochs: 2,
  stepsPerEpoch: 6,
  seed: 5,
  checkpointMinutes: 60,
  model: cycleGanConfig({ imageSize: 32, ngf: 4, ndf: 4, blocks: 1, poolSize: 3, batch: 2 }),
};
const classOf = (name: string) => data.pictures.filter((p) => data.classes[p.label] === name);
const train = async (run: RunFolder, resume: boolean, signal: AbortSignal) =>
  trainGan({
    run,
    config,
    store: pictureStore(loadSize(32)),
    from: classOf('normal'),
    to: classOf('happy'),
    resume,
    signal,
  }).finally(() => run.close());
const weights = async (path: string): Promise<Buffer> =>
  Buffer.concat([...(await loadCheckpoint(path, 'last')).tensors.values()].map((t) => t.data));

describe('trainGan', () => {
  it('resumes in the middle of an epoch to the bits of the uninterrupted run, and draws a grid every epoch', async () => {
    const whole = join(folder, 'whole');
    expect(await train(await RunFolder.create(whole, config), false, new AbortController().signal)).toBe('finished');

    const parts = join(folder, 'parts');
    const first = await RunFolder.create(parts, config);
    const stop = new AbortController();
    // Asks for an end once the epoch is under way: the loop saves after the step at hand.
    const interrupted = train(first, false, stop.signal);
    setTimeout(() => stop.abort(), 1);
    expect(await interrupted).toBe('interrupted');
    const { state } = await loadCheckpoint(parts, 'last');
    const { position } = state as { position: { step: number; epoch: number } };
    const { step } = position;
    expect(step).toBeGreaterThan(0);
    expect(step).toBeLessThan(12);
    const second = await RunFolder.resume(parts, position);
    expect(await train(second, true, new AbortController().signal)).toBe('finished');

    expect((await weights(parts)).equals(await weights(whole))).toBe(true);
    const losses = async (path: string) =>
      (await readEvents(path)).filter((e) => e.event === 'step').map(({ time: _, ...rest }) => rest);
    expect(await losses(parts)).toEqual(await losses(whole));
    expect(await losses(whole)).toHaveLength(12);
    for (const epoch of [0, 1]) {
      expect(existsSync(gridPath(whole, epoch))).toBe(true);
      const { width, height } = await sharp(gridPath(whole, epoch)).metadata();
      expect([width, height]).toEqual([4 * 96, 20 + 8 * 96]);
    }
  });
});

describe('planBalance', () => {
  it('levels every class with the largest, or goes to the sizes asked for', () => {
    const counts = Object.fromEntries(data.classes.map((name) => [name, classOf(name).length]));
    expect(planBalance(data)).toEqual([
      { from: 'normal', to: 'happy', make: counts.normal - counts.happy },
      { from: 'normal', to: 'sad', make: counts.normal - counts.sad },
    ]);
    expect(planBalance(data, { to: 'sad=60' })).toEqual([{ from: 'normal', to: 'sad', make: 60 - counts.sad }]);
    expect(() => planBalance(data, { to: 'angry=4' })).toThrow(/there is no class "angry"/);
    expect(() => planBalance(data, { to: 'normal=400' })).toThrow(/Choose another with --from/);
  });

  it('learns nothing from subjects that the manifest holds out, and makes nothing of them, whichever pictures it marks', async () => {
    const [a, b, c] = [...new Set(classOf('normal').map(({ subject }) => subject))];
    const marked = new Map([
      [classOf('normal').find(({ subject }) => subject === a)?.name, 'test' as const],
      [classOf('normal').find(({ subject }) => subject === b)?.name, 'val' as const],
      [classOf('normal').find(({ subject }) => subject === c)?.name, 'train' as const],
    ]);
    const pictures = data.pictures.map((picture) => ({ ...picture, split: marked.get(picture.name) }));
    for (const name of ['normal', 'happy']) {
      const used = realPictures({ ...data, pictures }, name);
      expect(used).toEqual(trainable({ ...data, pictures }, name));
      expect(used.map((picture) => picture.name)).toEqual(
        classOf(name).flatMap(({ name, subject }) => (subject === a || subject === b ? [] : name)),
      );
    }
    const options = { seed: 1, withReviewed: false };
    const { unused } = await supplyOf(
      { ...data, pictures },
      { from: 'normal', to: 'sad' },
      join(folder, 'none'),
      options,
    );
    expect(unused.map(({ name }) => name).sort()).toEqual(
      trainable({ ...data, pictures }, 'normal')
        .map(({ name }) => name)
        .sort(),
    );
  });
});
