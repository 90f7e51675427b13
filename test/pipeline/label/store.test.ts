import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sqlite from 'node-sqlite3-wasm';
import { describe, expect, it } from 'vitest';
import { historyOf } from '../../../pipeline/label/history.ts';
import { firstRound, type QueuedSlot, repeatGap, slotKey } from '../../../pipeline/label/order.ts';
import { type ActRequest, LabelStore } from '../../../pipeline/label/store.ts';
import { standingVotes } from '../../../pipeline/label/votes.ts';
import { random } from '../../../pipeline/random.ts';
import { cleanUpAfterEach, numbered, temporaryFolder, uniqueAct } from './fixtures.ts';

cleanUpAfterEach();

const open = (folder: string, paths = numbered(6), request = {}) => new LabelStore(folder, paths, request);

function nextSlot(store: LabelStore, name: string, round: 1 | 2 = 1): QueuedSlot {
  const slot = store.sheet(store.addRater(name)).queue(round)?.next(1)[0];
  if (!slot) throw new Error('nothing left');
  return slot;
}

const labelNext = (store: LabelStore, name: string, label: string) =>
  store.submit(store.addRater(name), {
    act: uniqueAct(),
    kind: 'label',
    slot: nextSlot(store, name).id,
    label,
    previous: null,
  });

describe('the label store', () => {
  it('keeps its file in write-ahead mode with every commit flushed', () => {
    const folder = temporaryFolder();
    const store = open(folder);
    expect(existsSync(join(folder, 'labels.db-wal'))).toBe(true);
    store.close();
    expect(existsSync(join(folder, 'labels.db.lock'))).toBe(false);
    expect(existsSync(join(folder, 'owner.json'))).toBe(false);
  });

  it('records answers, undo as a row, and skips that come back at the end', async () => {
    const store = open(temporaryFolder());
    const ann = store.addRater('Ann');
    const order =
      store
        .sheet(ann)
        .queue(1)
        ?.slots.map(({ id }) => id) ?? [];
    const first = await labelNext(store, 'Ann', 'happy');
    await store.submit(ann, { act: uniqueAct(), kind: 'skip', slot: nextSlot(store, 'Ann').id });
    const third = await labelNext(store, 'Ann', 'sad');
    expect(nextSlot(store, 'Ann').id).toBe(order[3]);
    await store.submit(ann, { act: uniqueAct(), kind: 'undo', undoes: third.seq });
    expect(nextSlot(store, 'Ann').id).toBe(order[2]);
    for (let i = 0; i < 4; i++) await labelNext(store, 'Ann', 'normal');
    expect(nextSlot(store, 'Ann').id).toBe(order[1]);
    await labelNext(store, 'Ann', 'error');
    const { acts } = await historyOf(store);
    expect(acts.map(({ kind }) => kind).join(' ')).toBe('label skip label undo label label label label label');
    expect(acts[3]?.undoes).toBe(third.seq);
    expect(store.sheet(ann).queue(1)?.done).toBe(6);
    expect(first.seq).toBe(1);
    store.close();
  });

  it('undo of a changed answer brings the one before it back', async () => {
    const store = open(temporaryFolder());
    const ann = store.addRater('Ann');
    const { slot, seq } = await labelNext(store, 'Ann', 'happy');
    if (!slot) throw new Error('no slot');
    const changed = await store.submit(ann, {
      act: uniqueAct(),
      kind: 'label',
      slot: slot.id,
      label: 'sad',
      previous: seq,
    });
    expect(store.sheet(ann).answers.get(slotKey(slot))?.label).toBe('sad');
    await store.submit(ann, { act: uniqueAct(), kind: 'undo', undoes: changed.seq });
    expect(store.sheet(ann).answers.get(slotKey(slot))).toEqual({ seq, label: 'happy' });
    store.close();
  });

  it('takes an act sent twice once, and refuses one that does not know what stands', async () => {
    const store = open(temporaryFolder());
    const ann = store.addRater('Ann');
    const slot = nextSlot(store, 'Ann');
    const request: ActRequest = { act: uniqueAct(), kind: 'label', slot: slot.id, label: 'happy', previous: null };
    const [one, two] = await Promise.all([store.submit(ann, request), store.submit(ann, request)]);
    expect([one?.again, two?.again]).toEqual([false, true]);
    expect(two?.seq).toBe(one?.seq);
    const refused = (r: ActRequest, status: number, name = 'Ann') =>
      expect(store.submit(store.addRater(name), r)).rejects.toMatchObject({ name: 'Refusal', status });
    await refused({ ...request, act: uniqueAct(), label: 'sad' }, 409); // the second tab has not seen the first answer
    await refused({ ...request, label: 'sad' }, 409); // same id, other content
    await refused({ ...request }, 409, 'Ben'); // another rater's act
    await refused({ ...request, act: uniqueAct(), label: 'angry' }, 422);
    await refused({ ...request, act: uniqueAct(), slot: 'f'.repeat(20) }, 404);
    await refused({ ...request, act: uniqueAct() }, 404, 'Ben'); // another rater's slot
    await refused({ act: uniqueAct(), kind: 'undo', undoes: 99 }, 409);
    await refused({ act: uniqueAct(), kind: 'skip', slot: slot.id }, 409);
    expect((await historyOf(store)).acts).toHaveLength(1);
    store.close();
  });

  it('refuses an answer that the disk has no room for, forgets it, and takes it when there is room again', async () => {
    const store = open(temporaryFolder(), numbered(300));
    const ann = store.addRater('Ann');
    await labelNext(store, 'Ann', 'happy');
    // SQLite's own limit makes the same error as a full disk.
    const { database } = store as unknown as { database: { exec(sql: string): void; get(sql: string): { n: number } } };
    database.exec(`PRAGMA max_page_count = ${database.get('SELECT page_count AS n FROM pragma_page_count').n}`);
    let request: ActRequest | undefined;
    for (let n = 0; n < 200 && !request; n++) {
      const next: ActRequest = {
        act: uniqueAct(),
        kind: 'label',
        slot: nextSlot(store, 'Ann').id,
        label: 'sad',
        previous: null,
      };
      await store.submit(ann, next).catch((error: Error) => {
        expect(error.message).toContain('cannot be written');
        request = next;
      });
    }
    if (!request) throw new Error('the disk never filled up');
    const acts = (await historyOf(store)).acts.length;
    expect(store.sheet(ann).queue(1)?.done).toBe(acts);
    await expect(store.submit(ann, request)).rejects.toThrow(/cannot be written/);
    database.exec('PRAGMA max_page_count = 100000');
    expect((await store.submit(ann, request)).again).toBe(false);
    expect((await historyOf(store)).acts).toHaveLength(acts + 1);
    store.close();
  });

  it('never changes or deletes a row of the history, whoever asks', async () => {
    const folder = temporaryFolder();
    const store = open(folder);
    await labelNext(store, 'Ann', 'happy');
    store.close();
    const database = openPlainly(folder);
    expect(() => database.run("UPDATE history SET label = 'sad'")).toThrow(/never changed/);
    expect(() => database.run('DELETE FROM history')).toThrow(/never deleted/);
    database.close();
  });

  it('is the same after a restart, and its SQL view agrees, over a thousand random acts', async () => {
    const folder = temporaryFolder();
    const paths = numbered(80);
    let store = open(folder, paths, { repeat: 0.2, seed: 3 });
    const g = random(11);
    for (let i = 0; i < 1000; i++) {
      const rater = store.addRater(g.pick(['Ann', 'Ben', 'Carla']));
      const sheet = store.sheet(rater);
      const queue = sheet.queue(1);
      const slot = g.chance(0.3) ? g.pick(queue?.slots ?? []) : queue?.next(1)[0];
      const last = sheet.lastAct;
      const label = g.pick(store.settings.labels);
      const standing = slot && sheet.answers.get(slotKey(slot));
      if (g.chance(0.2) && last) await store.submit(rater, { act: uniqueAct(), kind: 'undo', undoes: last.seq });
      else if (slot && g.chance(0.1) && !standing)
        await store.submit(rater, { act: uniqueAct(), kind: 'skip', slot: slot.id });
      else if (slot)
        await store.submit(rater, {
          act: uniqueAct(),
          kind: 'label',
          slot: slot.id,
          label,
          previous: standing?.seq ?? null,
        });
    }
    const picture = (s: LabelStore) =>
      s.raters.map((rater) => {
        const sheet = s.sheet(rater);
        const queue = sheet.queue(1);
        return {
          answers: [...sheet.answers].sort(),
          skipped: [...sheet.skipped],
          next: queue?.next(100),
          done: queue?.done,
        };
      });
    const before = picture(store);
    const votes = standingVotes(await historyOf(store))
      .map(({ seq }) => seq)
      .sort((a, b) => a - b);
    store.close();
    store = open(folder, paths);
    expect(picture(store)).toEqual(before);
    store.close();
    const database = openPlainly(folder);
    expect(database.all('SELECT seq FROM answer ORDER BY seq').map(({ seq }) => seq)).toEqual(votes);
    database.close();
  });

  it('refuses a second owner while the first lives, and takes over from a dead one', () => {
    const folder = temporaryFolder();
    const store = open(folder);
    expect(() => open(folder)).toThrow(/in use by process \d+/);
    store.close();
    mkdirSync(join(folder, 'labels.db.lock'));
    writeFileSync(join(folder, 'owner.json'), JSON.stringify({ ...JSON.parse(liveOwnerText()), pid: 2 ** 22 + 1 }));
    open(folder).close();
    // A process number that was given out again is told by the time the process began.
    if (existsSync('/proc/self/stat')) {
      writeFileSync(join(folder, 'owner.json'), JSON.stringify({ ...JSON.parse(liveOwnerText()), began: '1' }));
      open(folder).close();
    }
  });

  it('keeps its settings, and refuses classes that would orphan answers', async () => {
    const folder = temporaryFolder();
    let store = open(folder, numbered(3), { classes: ['calm', 'crying'], seed: 9, repeat: 0.5 });
    expect(store.settings.labels).toEqual(['calm', 'crying', 'error']);
    await labelNext(store, 'Ann', 'crying');
    const { secret } = store.settings;
    store.close();
    store = open(folder, numbered(3));
    expect(store.settings).toEqual({ labels: ['calm', 'crying', 'error'], seed: 9, repeat: 0.5, secret });
    store.close();
    expect(() => open(folder, numbered(3), { classes: ['calm', 'happy'] })).toThrow(
      /crying, which raters have already chosen/,
    );
    expect(() => open(folder, numbered(3), { classes: ['a/b', 'c'] })).toThrow(/folder/);
    store = open(folder, numbered(3), { newTokens: true });
    expect(store.settings.secret).not.toBe(secret);
    store.close();
  });

  it('says so when the file is damaged, and leaves it alone', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'labels.db'), 'not a database, but somebody’s file '.repeat(40));
    expect(() => open(folder)).toThrow(/labels\.db cannot be opened/);
    expect(readFileSync(join(folder, 'labels.db'), 'utf8')).toContain('somebody');
  });
});

describe('the order of the pictures', () => {
  const pictures = numbered(400).map((path, id) => ({ id, path }));

  it('is a permutation, each rater’s own, the same again, and set by the seed', () => {
    const order = (seed: number, name: string) => firstRound(pictures, seed, name, 0).map(({ picture }) => picture);
    const ann = order(0, 'Ann');
    expect([...ann].sort((a, b) => a - b)).toEqual(pictures.map(({ id }) => id));
    expect(order(0, 'ann')).toEqual(ann);
    expect(order(0, 'Ben')).not.toEqual(ann);
    expect(order(1, 'Ann')).not.toEqual(ann);
    // Uniform enough: the rank of the position correlates with neither the path nor another rater's position.
    const place = new Map(ann.map((id, position) => [id, position]));
    const correlation = (positions: number[]) => {
      const mean = (positions.length - 1) / 2;
      const variance = positions.reduce((a, p) => a + (p - mean) ** 2, 0);
      return positions.reduce((a, p, i) => a + (p - mean) * (i - mean), 0) / variance;
    };
    expect(Math.abs(correlation(pictures.map(({ id }) => place.get(id) ?? 0)))).toBeLessThan(0.15);
    expect(Math.abs(correlation(order(0, 'Ben').map((id) => place.get(id) ?? 0)))).toBeLessThan(0.15);
  });

  it('keeps the others in place when pictures are added', () => {
    const before = firstRound(pictures.slice(0, 300), 0, 'Ann', 0).map(({ picture }) => picture);
    const after = firstRound(pictures, 0, 'Ann', 0).map(({ picture }) => picture);
    expect(after.filter((id) => id < 300)).toEqual(before);
  });

  it('repeats about the share asked for, never soon after, under another id', () => {
    const slots = firstRound(pictures, 0, 'Ann', 0.1);
    const repeats = slots.filter(({ repeat }) => repeat === 1);
    expect(repeats.length).toBeGreaterThan(20);
    expect(repeats.length).toBeLessThan(60);
    for (const again of repeats) {
      const position = slots.indexOf(again);
      const first = slots.findIndex(({ picture, repeat }) => repeat === 0 && picture === again.picture);
      expect(position - first).toBeGreaterThan(repeatGap - 1);
    }
    expect(new Set(slots.map(({ id }) => id)).size).toBe(slots.length);
    expect(slots.every(({ id }) => /^[0-9a-f]{20}$/.test(id))).toBe(true);
  });
});

/** What owner.json holds while this process owns a folder. */
function liveOwnerText(): string {
  const folder = temporaryFolder();
  const store = open(folder);
  const text = readFileSync(join(folder, 'owner.json'), 'utf8');
  store.close();
  return text;
}

/** The file as any SQLite opens it; the WebAssembly build needs the exclusive lock to read a write-ahead log. */
function openPlainly(folder: string) {
  const database = new sqlite.Database(join(folder, 'labels.db'));
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  return database;
}
