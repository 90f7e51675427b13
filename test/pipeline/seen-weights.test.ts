import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../engine/index.ts';
import { readSafetensors, writeSafetensors } from '../../engine/safetensors.ts';
import { openTrained } from '../../pipeline/evaluate/trained.ts';
import { exportRun } from '../../pipeline/export/export.ts';
import { type ManifestRow, readManifest, writeManifest } from '../../pipeline/manifest.ts';
import { synthesise } from '../../pipeline/synth/synthesise.ts';
import type { TrainOptions } from '../../pipeline/train/config.ts';
import { beginRun, dryRun, resumeRun } from '../../pipeline/train/session.ts';

let folder: string;
let data: string;
/** A checkpoint of a run with seed 5 on `data`. */
let weights: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-seen-'));
  data = join(folder, 'drawn');
  await synthesise(data, { count: 60, perSubject: 3, seed: 3 });
  const run = join(folder, 'first');
  await beginRun({ ...small(), seed: 5 }, run, session().options);
  weights = join(run, 'checkpoints', 'best.safetensors');
});
afterAll(() => rm(folder, { recursive: true }));

const small = (): TrainOptions & { model: string; data: string } => ({
  model: 'so-dlse',
  data,
  modelOptions: { width: 0.125, imageSize: 24, fc: [64, 32] },
  epochs: 1,
  batchSize: 8,
});

function session() {
  const said: string[] = [];
  return { said, options: { signal: new AbortController().signal, say: (line: string) => void said.push(line) } };
}

/** Tries a run that begins from weights. @returns what was said */
async function attempt(changes: Partial<TrainOptions>): Promise<string> {
  const { said, options } = session();
  await dryRun({ ...small(), weights, ...changes }, options);
  return said.join('\n');
}

const known =
  /was trained on, or chosen by, pictures of [1-9]\d* of \d+ test( and [1-9]\d* of \d+ validation)? subjects, first s\d+: the figures would be those of known faces\./;

describe('weights that have seen subjects of the test', () => {
  it('are refused, before anything is written, with the split that they know as the remedy', async () => {
    const run = join(folder, 'leaking');
    const begun = beginRun({ ...small(), weights, seed: 6 }, run, session().options);
    await expect(begun).rejects.toThrow(ConfigError);
    await expect(attempt({ seed: 6 })).rejects.toThrow(known);
    await expect(attempt({ seed: 6 })).rejects.toThrow(/--seed 5 --test-share 0\.2 --val-share 0\.1/);
    expect(existsSync(run)).toBe(false);
    // The same seed with another share is another split.
    await expect(attempt({ seed: 5, testShare: 0.4 })).rejects.toThrow(known);
    expect(await attempt({ seed: 5 })).not.toMatch(/known faces/);
    expect(await attempt({ seed: 6, overfitOneBatch: true })).not.toMatch(/known faces/);
  });

  it('are refused as an extractor, too', async () => {
    const run = join(folder, 'vgg16');
    const options = { model: 'vgg16', modelOptions: { width: 1 / 16, imageSize: 32 }, data, epochs: 1, batchSize: 8 };
    await beginRun({ ...options, seed: 5 }, run, session().options);
    const extractor = {
      model: 'vfeso-dlse',
      modelOptions: { width: 1 / 16, imageSize: 128, fc: [64, 32] },
      weights: join(run, 'checkpoints', 'best.safetensors'),
    };
    await expect(attempt({ ...extractor, seed: 6 })).rejects.toThrow(known);
    expect(await attempt({ ...extractor, seed: 5 })).not.toMatch(/known faces/);
  });

  it('are known again as a copy, as an export, and when others were trained from them', async () => {
    const copy = join(folder, 'copy.safetensors');
    await cp(weights, copy);
    await expect(attempt({ weights: copy, seed: 6 })).rejects.toThrow(known);
    const trained = await openTrained(join(folder, 'first'));
    const [exported] = await exportRun(trained, 'safetensors', join(folder, 'exported'));
    trained.network.dispose();
    await expect(attempt({ weights: exported, seed: 6 })).rejects.toThrow(known);
    expect(await readFile(exported, 'latin1')).not.toMatch(/s00\d\d/);

    const other = join(folder, 'others');
    await synthesise(other, { count: 40, perSubject: 2, seed: 4 });
    const second = join(folder, 'second');
    const stopped = new AbortController();
    const say = (line: string) => void (line.startsWith('run folder') && stopped.abort());
    await beginRun({ ...small(), data: other, weights }, second, { signal: stopped.signal, say });
    await resumeRun(second, session().options);
    for (const name of ['best', 'last']) {
      const chained = join(second, 'checkpoints', `${name}.safetensors`);
      await expect(attempt({ weights: chained, seed: 6 })).rejects.toThrow(known);
      expect(await attempt({ weights: chained, seed: 5 })).not.toMatch(/trained on/);
    }
  });

  it('are known again in a data set where pictures, folder and subjects have other names', async () => {
    const renamed = join(folder, 'renamed');
    await cp(data, renamed, { recursive: true });
    const rows: ManifestRow[] = [];
    for (const row of (await readManifest(renamed)) ?? []) {
      const path = `${row.label}/${row.subject?.replace('s', 'kid')}-${rows.length}.jpg`;
      await rename(join(renamed, row.path ?? ''), join(renamed, path));
      rows.push({ ...row, path, subject: row.subject?.replace('s', 'kid') });
    }
    await writeManifest(renamed, rows);
    await expect(attempt({ data: renamed, seed: 6 })).rejects.toThrow(/of \d+ test .*first kid\d+/);
  });

  it('are known again by the photograph that a picture was cut from anew', async () => {
    const cuts = [];
    for (const [i, seed] of [11, 12].entries()) {
      const cut = join(folder, `cut-${i}`);
      await synthesise(cut, { count: 40, perSubject: 2, seed });
      const rows = (await readManifest(cut)) ?? [];
      const source = (subject = '') => subject.slice(1).padEnd(64, 'f');
      await writeManifest(
        cut,
        rows.map((row) => ({ ...row, sourceSha256: source(row.subject), subject: `${i}${row.subject}` })),
      );
      cuts.push(cut);
    }
    const run = join(folder, 'cut');
    await beginRun({ ...small(), data: cuts[0] }, run, session().options);
    const cutWeights = join(run, 'checkpoints', 'best.safetensors');
    await expect(attempt({ data: cuts[1], weights: cutWeights, seed: 6 })).rejects.toThrow(/of \d+ test/);
  });

  it('may be tested on them where that is asked for, and everything that tells of the test says so', async () => {
    const run = join(folder, 'asked');
    const stopped = new AbortController();
    const first: string[] = [];
    const say = (line: string) => {
      first.push(line);
      if (line.startsWith('run folder')) stopped.abort();
    };
    await beginRun({ ...small(), weights, seed: 6, seenInTest: true }, run, { signal: stopped.signal, say });
    const { said, options } = session();
    await resumeRun(run, options);
    const told = /was trained on, or chosen by, pictures of .* test.*: the figures are those of known faces\./;
    for (const lines of [first, said]) expect(lines.join('\n')).toMatch(told);
    expect(said.join('\n')).not.toMatch(/unseen/);
    for (const name of ['report.html', 'model-card.md']) expect(await readFile(join(run, name), 'utf8')).toMatch(told);
  });
});

describe('weights that have not seen them', () => {
  it('of other children are taken, and children of the same name are mentioned', async () => {
    const other = join(folder, 'strangers');
    await synthesise(other, { count: 40, perSubject: 2, seed: 7 });
    expect(await attempt({ data: other, seed: 6 })).toMatch(
      /\d+ subjects of the test have the name of one that .* saw in other pictures, first s\d+: if they are the same/,
    );
    const rows = (await readManifest(other)) ?? [];
    await writeManifest(
      other,
      rows.map((row) => ({ ...row, subject: `other ${row.subject}` })),
    );
    expect(await attempt({ data: other, seed: 6 })).not.toMatch(/known faces/);
  });

  it('of the same split are taken, also where a picture lies on two sides of it', async () => {
    const doubled = join(folder, 'doubled');
    await cp(data, doubled, { recursive: true });
    const [one] = await readdir(join(doubled, 'happy'));
    const rows = (await readManifest(doubled)) ?? [];
    for (let i = 0; i < 12; i += 1) {
      await cp(join(doubled, 'happy', one), join(doubled, 'happy', `again${i}.jpg`));
      rows.push({ path: `happy/again${i}.jpg`, label: 'happy', subject: `again ${i}` });
    }
    await writeManifest(doubled, rows);
    const run = join(folder, 'doubled run');
    await beginRun({ ...small(), data: doubled }, run, session().options);
    const split = JSON.parse(await readFile(join(run, 'split.json'), 'utf8'));
    const hashes = (side: string) => split[side].map(({ sha256 }: { sha256: string }) => sha256);
    expect(hashes('test').some((hash: string) => hashes('train').includes(hash))).toBe(true);
    const twin = join(run, 'checkpoints', 'best.safetensors');
    expect(await attempt({ data: doubled, weights: twin })).not.toMatch(/known faces/);
  });

  it('or do not say whom, are taken with a word about it; of other programs, without', async () => {
    const { tensors, metadata } = readSafetensors(await readFile(weights));
    const { seen: _, ...earlier } = metadata;
    await mkdir(join(folder, 'bare'));
    const bare = async (name: string, about: Record<string, string>) => {
      const path = join(folder, 'bare', name);
      await writeFile(path, writeSafetensors(tensors, about));
      return path;
    };
    expect(await attempt({ seed: 6, weights: await bare('earlier.safetensors', earlier) })).toMatch(
      /earlier version and does not say whom it has seen/,
    );
    expect(await attempt({ seed: 6, weights: await bare('other.safetensors', {}) })).not.toMatch(/new faces/);
    const damaged = attempt({ seed: 6, weights: await bare('damaged.safetensors', { ...metadata, seen: '[{}]' }) });
    await expect(damaged).rejects.toThrow(/do not say properly/);
  });
});
