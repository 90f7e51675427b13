import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDataSet } from '../../../pipeline/dataset/read.ts';
import { aggregate, settle } from '../../../pipeline/label/aggregate.ts';
import { applyAggregation, labelled } from '../../../pipeline/label/apply.ts';
import { historyOf } from '../../../pipeline/label/history.ts';
import { slotKey } from '../../../pipeline/label/order.ts';
import { LabelStore } from '../../../pipeline/label/store.ts';
import { summarise } from '../../../pipeline/label/summary.ts';
import { readManifest, writeManifest } from '../../../pipeline/manifest.ts';
import { cleanUpAfterEach, kindergrad, pictureFolder, uniqueAct } from './fixtures.ts';

cleanUpAfterEach();

const labels = ['happy', 'sad', 'normal', 'error'];

describe('settling one picture', () => {
  const none = [0, 0, 0, 0];

  it('computes p_k (eq. 1) and the majority (eq. 2)', () => {
    const { distribution, label, status } = settle([7, 1, 2, 0], none, 10, labels);
    expect(distribution).toEqual([0.7, 0.1, 0.2, 0]);
    expect(distribution.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect([status, label]).toEqual(['settled', 'happy']);
  });

  it('drops what most raters call an error', () => {
    expect(settle([2, 1, 1, 6], none, 10, labels)).toMatchObject({ status: 'error', label: null });
  });

  it('sends a tie into the second round, and settles it by the votes of both together', () => {
    expect(settle([5, 0, 5, 0], none, 10, labels)).toMatchObject({ status: 'second round', tie: ['happy', 'normal'] });
    expect(settle([5, 0, 5, 0], [4, 0, 3, 0], 10, labels)).toMatchObject({ status: 'second round' });
    expect(settle([5, 0, 5, 0], [4, 0, 6, 0], 10, labels)).toMatchObject({
      status: 'settled',
      label: 'normal',
      votes: [9, 0, 11, 0],
      marked: 2,
      tie: [],
    });
    // A label that was not among the tied ones can win, and an error can too.
    expect(settle([4, 2, 4, 0], [1, 8, 1, 0], 10, labels)).toMatchObject({ status: 'settled', label: 'sad' });
    expect(settle([5, 0, 0, 5], [4, 0, 0, 6], 10, labels)).toMatchObject({ status: 'error', label: null });
  });

  it('leaves what is still tied without a label and keeps its votes', () => {
    expect(settle([5, 0, 5, 0], [5, 0, 5, 0], 10, labels)).toMatchObject({
      status: 'tied',
      label: null,
      tie: ['happy', 'normal'],
      votes: [10, 0, 10, 0],
      distribution: [0.5, 0, 0.5, 0],
    });
  });

  it('waits for as many votes as asked for, in both rounds', () => {
    expect(settle([3, 0, 0, 0], none, 4, labels).status).toBe('incomplete');
    expect(settle(none, none, 1, labels)).toMatchObject({ status: 'incomplete', distribution: none });
    expect(settle([2, 2, 0, 0], [2, 1, 0, 0], 3, labels)).toMatchObject({ status: 'settled', label: 'happy' });
  });

  it('ignores second votes for a picture that was no tie after all', () => {
    expect(settle([5, 0, 4, 0], [0, 0, 9, 0], 9, labels)).toMatchObject({
      label: 'happy',
      votes: [5, 0, 4, 0],
      marked: 1,
    });
  });
});

/** Ann, Ben and Carla on six pictures; one letter an answer, '.' for none. Returns the store, still open. */
async function answered(
  folder: string,
  paths: string[],
  lines: Record<string, string>,
  round: 1 | 2 = 1,
  store?: LabelStore,
) {
  const open = store ?? new LabelStore(join(folder, '.kindergrad'), paths);
  const byLetter: Record<string, string> = { h: 'happy', s: 'sad', n: 'normal', e: 'error' };
  for (const [name, line] of Object.entries(lines)) {
    const rater = open.addRater(name);
    for (const [index, letter] of [...line].entries()) {
      const picture = open.pictures.find(({ path }) => path === paths[index])?.id ?? 0;
      const slot = open
        .sheet(rater)
        .queue(round)
        ?.byKey.get(slotKey({ picture, round, repeat: 0 }));
      if (letter === '.') continue;
      if (!slot) throw new Error(`${name} has no slot for ${paths[index]} in round ${round}`);
      const label = byLetter[letter] ?? '';
      await open.submit(rater, {
        act: uniqueAct(),
        kind: 'label',
        slot: slot.id,
        label,
        previous: null,
        elapsed: 1000,
      });
    }
  }
  return open;
}

describe('aggregating a data set', () => {
  const paths = ['a.png', 'b.png', 'sub/c.png', 'sub/d.png', 'e.png', 'f.png'];

  it('asks the same raters again about ties, and only them', async () => {
    const folder = await pictureFolder(paths);
    const store = await answered(folder, paths, { Ann: 'hhsnen', Ben: 'hsshe.', Carla: 'hnsse.' });
    const before = aggregate(await historyOf(store), { minVotes: 2 });
    expect(before.pictures.map(({ status }) => status)).toEqual([
      'settled',
      'second round',
      'settled',
      'second round',
      'error',
      'incomplete',
    ]);
    expect(store.openSecondRound(before.pictures.filter((p) => p.status === 'second round').map(({ id }) => id))).toBe(
      2,
    );
    expect(store.openSecondRound(before.pictures.filter((p) => p.status === 'second round').map(({ id }) => id))).toBe(
      0,
    );
    const dora = store.addRater('Dora');
    expect(store.sheet(dora).queue(2)?.slots).toHaveLength(0);
    expect(
      store
        .sheet(store.addRater('Ann'))
        .queue(2)
        ?.slots.map(({ picture }) => store.picture(picture)?.path)
        .sort(),
    ).toEqual(['b.png', 'sub/d.png']);
    await answered(folder, paths, { Ann: '.h.n', Ben: '.h.h', Carla: '.s.s' }, 2, store);
    const after = aggregate(await historyOf(store), { minVotes: 2 });
    expect(after.pictures.map(({ status, label }) => label ?? status)).toEqual([
      'happy',
      'happy',
      'sad',
      'tied',
      'error',
      'incomplete',
    ]);
    store.close();
  });

  it('writes votes and labels into the manifest, which training reads as soft or majority targets', async () => {
    const folder = await pictureFolder(paths.map((path) => `faces/${path}`));
    const inFaces = paths.map((path) => `faces/${path}`);
    await writeManifest(folder, [
      { path: 'faces/a.png', subject: 'anna', label: 'sad' },
      { path: 'faces/e.png', label: 'happy', camera: 'kept' },
      { path: null, discarded: 'no face', source: 'x.jpg' },
    ]);
    const store = await answered(folder, inFaces, { Ann: 'hhsne.', Ben: 'hhnhe.', Carla: 'shssh.' });
    store.close();
    const run = {
      folder,
      answers: join(folder, '.kindergrad'),
      out: folder,
      replicates: 20,
      seed: 0,
      secondRound: true,
    };
    const { opened, summary } = await applyAggregation(run);
    expect(opened).toBe(1);
    expect(summary.status).toEqual({ settled: 3, error: 1, tied: 0, 'second round': 1, incomplete: 1 });
    const rows = await readManifest(folder);
    expect(rows?.[0]).toEqual({
      path: 'faces/a.png',
      subject: 'anna',
      label: 'happy',
      votes: { happy: 2, sad: 1, normal: 0, error: 0 },
    });
    expect(rows?.[1]).toEqual({
      path: 'faces/e.png',
      label: 'error',
      camera: 'kept',
      votes: { happy: 1, sad: 0, normal: 0, error: 2 },
    });
    expect(rows?.[2]).toEqual({ path: null, discarded: 'no face', source: 'x.jpg' });
    const byPath = new Map(rows?.map((row) => [row.path, row]));
    expect(byPath.get('faces/sub/d.png')).toEqual({
      path: 'faces/sub/d.png',
      votes: { happy: 1, sad: 1, normal: 1, error: 0 },
    });
    expect(byPath.get('faces/f.png')).toEqual({ path: 'faces/f.png' });
    const soft = await readDataSet(folder, { targets: 'soft' });
    expect(soft.classes).toEqual(['happy', 'sad']);
    expect(soft.pictures.map(({ name, target }) => [name, target])).toEqual([
      ['faces/a.png', [2 / 3, 1 / 3]],
      ['faces/b.png', [1, 0]],
      ['faces/sub/c.png', [0, 1]],
    ]);
    const majority = await readDataSet(folder, { targets: 'majority' });
    expect(majority.pictures.map(({ target }) => target)).toEqual([
      [1, 0],
      [1, 0],
      [0, 1],
    ]);
    const html = readFileSync(join(folder, 'agreement.html'), 'utf8');
    expect(html).toContain('Fleiss');
    expect(html).not.toMatch(/(?:src|href)="(?!data:)/); // needs nothing beside it
    expect(JSON.parse(readFileSync(join(folder, 'agreement.json'), 'utf8')).raters).toHaveLength(3);
  });

  it('makes a trainable data set of a flat folder', async () => {
    const flat = ['a.png', 'b.png', 'c.png', 'deep/down/in/d.png'];
    const folder = await pictureFolder(flat);
    (await answered(folder, flat, { Ann: 'hsnh', Ben: 'hseh' })).close();
    const answers = join(folder, '.kindergrad');
    await applyAggregation({ folder, answers, out: folder, replicates: 0, seed: 0, secondRound: false });
    const { classes, pictures, skipped } = await readDataSet(folder);
    expect(classes).toEqual(['happy', 'sad']);
    expect(pictures.map(({ name }) => name)).toEqual(['a.png', 'b.png', 'deep/down/in/d.png']);
    expect(skipped).toContainEqual({ name: 'c.png', reason: 'has no label yet' });
  });

  it('leaves alone what nobody voted on', () => {
    const rows = [{ path: 'a.png', label: 'happy' }];
    const picture = {
      id: 1,
      path: 'a.png',
      votes: [0, 0, 0, 0],
      distribution: [0, 0, 0, 0],
      status: 'incomplete' as const,
      label: null,
      tie: [],
      marked: 1 as const,
    };
    expect(labelled(rows, { labels, pictures: [picture] })).toEqual(rows);
  });

  it('labels a picture that the manifest lists twice, as joined manifests do', async () => {
    const folder = await pictureFolder(paths.slice(0, 2));
    (await answered(folder, paths.slice(0, 2), { Ann: 'hs' })).close();
    await writeManifest(
      folder,
      [0, 1, 0].map((n) => ({ path: paths[n] ?? '', label: 'normal' })),
    );
    const answers = join(folder, '.kindergrad');
    await applyAggregation({ folder, answers, out: folder, replicates: 0, seed: 0, secondRound: false });
    expect((await readManifest(folder))?.map(({ label }) => label)).toEqual(['happy', 'sad', 'happy']);
    const { classes, pictures } = await readDataSet(folder);
    expect(pictures.map(({ label }) => classes[label])).toEqual(['happy', 'sad']);
  });

  it('measures a rater against the majority and against themselves', async () => {
    const folder = await pictureFolder(paths);
    const store = new LabelStore(join(folder, '.kindergrad'), paths, { repeat: 0.99 });
    const ann = store.addRater('Ann');
    let repeats = 0;
    for (;;) {
      const slot = store.sheet(ann).queue(1)?.next(1)[0];
      if (!slot) break;
      // Ann says happy the first time, and sad on every second repeat.
      const label = slot.repeat === 1 && repeats++ % 2 === 0 ? 'sad' : 'happy';
      await store.submit(ann, { act: uniqueAct(), kind: 'label', slot: slot.id, label, previous: null, elapsed: 500 });
    }
    expect(repeats).toBeGreaterThan(1);
    const { raters, agreement } = await summarise(await historyOf(store), { replicates: 0 });
    expect(raters[0]?.repeats).toMatchObject({ n: repeats, observed: Math.floor(repeats / 2) / repeats });
    expect(raters[0]?.withMajority).toBe(1);
    expect(raters[0]?.answers).toEqual([6, 0]); // repeats measure the rater, they are no votes
    expect(raters[0]?.medianSeconds).toBe(0.5);
    expect(agreement.fleiss.value).toBeNaN();
    store.close();
  });

  it('runs from the command line, names an unknown rater, and says where to start without answers', async () => {
    const folder = await pictureFolder(['a.png', 'b.png']);
    const missing = await kindergrad('aggregate', folder);
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.text).toContain('There are no answers in');
    (await answered(folder, ['a.png', 'b.png'], { Ann: 'hs', Ben: 'hs' })).close();
    expect((await kindergrad('aggregate', folder, '--exclude', 'Zoe')).text).toContain('There is no rater "Zoe"');
    const { code, text } = await kindergrad('aggregate', folder, '--bootstrap', '50');
    expect(code).toBe(0);
    expect(text).toMatch(/happy +1\n +sad +1\n/);
    expect(text).toMatch(/Krippendorff’s α +1\.000 {2}\[/);
  });
});
