import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/node.ts';
import { balance } from '../../../pipeline/balance/balance.ts';
import { findJudges } from '../../../pipeline/balance/judges.ts';
import { readDataSet } from '../../../pipeline/dataset/read.ts';
import { readManifest } from '../../../pipeline/manifest.ts';
import { beginRun } from '../../../pipeline/train/session.ts';
import { cleanUpAfterEach, kindergrad } from '../label/fixtures.ts';
import { drawnFaces, tinyBalance } from './fixtures.ts';

cleanUpAfterEach();

let device: Device | undefined;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-balance-'));
});
afterAll(async () => {
  await device?.close();
  await rm(folder, { recursive: true });
});

/** Accuracies that `evaluate` printed, by the name and the size of their row: `real only (40)`. */
const totals = (text: string) =>
  Object.fromEntries(
    [...text.matchAll(/^│ (.+ \(\d+\)) .*│ +([\d.]+) │$/gm)].map(([, name, total]) => [name.trim(), Number(total)]),
  );

describe('from real pictures to an evaluation', () => {
  it('a classifier trained on real ones judges, the distances are reported, and evaluate tells real from generated', async () => {
    const drawn = await drawnFaces(join(folder, 'drawn'));
    const real = join(folder, 'real');
    await cp(drawn, real, { recursive: true });
    const classifier = join(folder, 'classifier');
    const signal = new AbortController().signal;
    const small = { modelOptions: { width: 0.125, imageSize: 24, fc: [64, 32] }, epochs: 1, batchSize: 8, seed: 5 };
    await beginRun({ model: 'so-dlse', data: drawn, preset: 'smoke', ...small }, classifier, { signal, say: () => {} });
    device = await openDevice();
    await expect(findJudges(['angry'], { classifier })).rejects.toThrow(/knows happy, normal, sad, not angry/);

    const lines: string[] = [];
    const out = join(folder, 'runs');
    const judges = (classes: readonly string[]) => findJudges(classes, { classifier });
    const checks = { maxSimilarity: 0.95, minTarget: 1e-6 };
    const options = tinyBalance(out, lines, { to: 'happy=19,sad=10', judges, checks });
    expect(await balance(drawn, options)).toBe('finished');
    expect(lines.join('\n')).toMatch(
      /kernel distance \S+, Fréchet distance \S+ \(6 generated, 13 real; 6 pictures against/,
    );
    const report = await readFile(join(out, 'report.html'), 'utf8');
    expect(report).toMatch(/Distance from the real happy pictures: kernel distance .*trust the kernel distance/);
    expect(report).toMatch(/happy: its probability by the classifier.*happy 0\.\d\d/s);
    // Asked for the impossible, the classifier turns everything down, from what it said before.
    lines.length = 0;
    const strict = { ...options, to: 'happy=20', checks: { ...checks, minTarget: 1 } };
    expect(await balance(drawn, strict)).toBe('finished');
    expect(lines.join('\n')).toMatch(/kept 0 of \d+ candidates; \d+ wrong expression/);
    const rows = (await readManifest(drawn)) ?? [];
    expect(
      rows.some(({ discarded }) => /^generated happy: wrong expression: the classifier/.test(discarded ?? '')),
    ).toBe(true);

    // On the run's own data set only what it held out counts, and no generated picture is among that.
    const own = await kindergrad('evaluate', classifier, '--data', drawn);
    expect(own.code).toBe(0);
    expect(own.text).not.toMatch(/generated only/);
    // Asked for everything, in a copy as good as anywhere, it counts everything, and the figures of the real ones are those of the real ones alone.
    const copy = join(folder, 'copy');
    await cp(drawn, copy, { recursive: true });
    expect((await readDataSet(copy)).pictures.filter(({ generated }) => generated)).toHaveLength(10);
    const both = totals((await kindergrad('evaluate', classifier, '--data', copy, '--all')).text);
    const alone = totals((await kindergrad('evaluate', classifier, '--data', real, '--all')).text);
    const name = 'so-dlse, best';
    expect(Object.keys(both)).toEqual([`${name} (50)`, 'real only (40)', 'generated only (10)']);
    expect(alone).toEqual({ [`${name} (40)`]: both['real only (40)'] });
    const right = both['real only (40)'] * 40 + both['generated only (10)'] * 10;
    expect(right / 50).toBeCloseTo(both[`${name} (50)`], 1);
  }, 300_000);
});
