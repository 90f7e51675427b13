import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/node.ts';
import { cycleGanConfig } from '../../../models/index.ts';
import { type BalanceOptions, balance } from '../../../pipeline/balance/balance.ts';
import { countByClass } from '../../../pipeline/balance/plan.ts';
import { readDataSet } from '../../../pipeline/dataset/read.ts';
import { splitDataSet } from '../../../pipeline/dataset/split.ts';
import { readManifest } from '../../../pipeline/manifest.ts';
import { synthesise } from '../../../pipeline/synth/synthesise.ts';

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice();
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-balance-'));
});
afterAll(async () => {
  await device.close();
  await rm(folder, { recursive: true });
});

describe('balance', () => {
  it('adds marked pictures of unused sources, explains every candidate, and does nothing the second time', async () => {
    const drawn = join(folder, 'drawn');
    await synthesise(drawn, { count: 40, perSubject: 3, seed: 3 });
    const before = countByClass(await readDataSet(drawn));
    const lines: string[] = [];
    const wanted = (before.get('sad') ?? 0) + 5;
    const options: BalanceOptions = {
      to: `sad=${wanted}`,
      out: join(folder, 'runs'),
      run: {
        epochs: 1,
        stepsPerEpoch: 3,
        seed: 5,
        checkpointMinutes: 60,
        model: cycleGanConfig({ imageSize: 32, ngf: 4, ndf: 4, blocks: 1, poolSize: 3 }),
      },
      surplus: 1.6,
      maxSimilarity: 0.95,
      minTarget: 0.5,
      judges: async () => ({ judges: [async (all) => all.map((_, i) => ({ face: i !== 0 }))] }),
      signal: new AbortController().signal,
      say: (line) => lines.push(line),
    };
    expect(await balance(drawn, options)).toBe('finished');

    const data = await readDataSet(drawn);
    expect(countByClass(data).get('sad')).toBe(wanted);
    const generated = data.pictures.filter((p) => p.generated);
    expect(generated).toHaveLength(5);
    const rows = (await readManifest(drawn))?.filter((row) => row.generatedBy) ?? [];
    expect(rows).toHaveLength(8);
    expect(new Set(rows.map((row) => row.source)).size).toBe(8);
    expect(rows.filter((row) => row.path === null).map((row) => row.discarded)).toContain(
      'generated sad: no face found in it',
    );
    for (const picture of generated) {
      const { width, height } = await sharp(picture.file).metadata();
      expect([width, height]).toEqual([32, 32]);
      // Made from a normal picture of the same person: splits must see that.
      const row = rows.find((r) => r.path === picture.name);
      expect(data.pictures.find((p) => p.name === row?.source)?.subject).toBe(picture.subject);
    }
    const split = splitDataSet(data, { testShare: 0.2, valShare: 0, seed: 1, generatedInTest: false });
    expect(split.test.some((p) => p.generated)).toBe(false);
    const report = await readFile(join(folder, 'runs', 'report.html'), 'utf8');
    expect(report).toContain('normal → sad');
    expect(report).toContain('no face found in it');

    lines.length = 0;
    expect(await balance(drawn, options)).toBe('finished');
    expect(lines.at(-1)).toMatch(/nothing to do/);
  });
});
