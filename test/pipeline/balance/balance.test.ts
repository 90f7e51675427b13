import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/node.ts';
import { balance } from '../../../pipeline/balance/balance.ts';
import { findJudges } from '../../../pipeline/balance/judges.ts';
import { countByClass } from '../../../pipeline/balance/plan.ts';
import { finishRecording, recordSelection } from '../../../pipeline/balance/record.ts';
import { ReviewJournal } from '../../../pipeline/balance/review/journal.ts';
import { readDataSet } from '../../../pipeline/dataset/read.ts';
import { splitDataSet } from '../../../pipeline/dataset/split.ts';
import { readManifest, writeManifest } from '../../../pipeline/manifest.ts';
import { giveUpOwnership, takeOwnership } from '../../../pipeline/owner.ts';
import { checkpointPath, loadCheckpoint } from '../../../pipeline/run/checkpoint.ts';
import { drawnFaces, generatedIn, judgeOf, tinyBalance } from './fixtures.ts';
import { cleanUpReviews, prepareReview } from './review-fixtures.ts';

cleanUpReviews();

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
  it('does not train for a detector that misses real faces, too', async () => {
    const drawn = await drawnFaces(join(folder, 'missed'));
    const judges = async () => judgeOf('finder', (i) => ({ face: i === 0 }));
    const options = tinyBalance(join(folder, 'missed-runs'), [], { to: 'sad=8', judges });
    await expect(balance(drawn, options)).rejects.toThrow(/finds a face in 1 of 6 real sad pictures of 32 pixels/);
    expect(existsSync(options.out)).toBe(false);
  });

  it('writes no run that it could not read again', async () => {
    const drawn = await drawnFaces(join(folder, 'never'));
    const options = tinyBalance(join(folder, 'never-runs'), [], { to: 'sad=8' });
    const never = { ...options, run: { ...options.run, epochs: 0 } };
    await expect(balance(drawn, never)).rejects.toThrow(/^epochs \(0\): Too small/);
    expect(existsSync(join(options.out, 'normal-to-sad', 'config.json'))).toBe(false);
  });

  it('adds marked pictures of unused sources, explains every candidate, and does nothing the second time', async () => {
    const drawn = await drawnFaces(join(folder, 'drawn'));
    const before = countByClass(await readDataSet(drawn));
    const lines: string[] = [];
    const wanted = (before.get('sad') ?? 0) + 5;
    const out = join(folder, 'runs');
    const judges = async () => judgeOf('finder', (i) => ({ face: i !== 0 }));
    const options = tinyBalance(out, lines, { to: `sad=${wanted}`, judges });
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
    const report = await readFile(join(out, 'report.html'), 'utf8');
    expect(report).toContain('normal → sad');
    expect(report).toContain('no face found in it: 1');
    expect(report).toContain(generated[0].name);

    lines.length = 0;
    expect(await balance(drawn, options)).toBe('finished');
    expect(lines.at(-1)).toMatch(/nothing to do/);

    // More of them: pictures that nothing spoke against come first, and no row is written twice.
    const spare = rows.filter(({ discarded }) => discarded?.includes('enough better ones')).map(({ source }) => source);
    expect(spare).toHaveLength(2);
    expect(await balance(drawn, { ...options, to: `sad=${wanted + 2}`, surplus: 1 })).toBe('finished');
    const later = (await readManifest(drawn))?.filter((row) => row.generatedBy) ?? [];
    expect(later.map(({ source }) => source).sort()).toEqual(rows.map(({ source }) => source).sort());
    expect(later.filter(({ path }) => path !== null)).toHaveLength(7);
    for (const source of spare) expect(later.find((row) => row.source === source)?.path).not.toBeNull();
  });

  it('goes on where it was interrupted while generating, to the same pictures', async () => {
    const whole = await drawnFaces(join(folder, 'whole'));
    const options = { to: 'happy=18' };
    expect(await balance(whole, tinyBalance(join(folder, 'whole-runs'), [], options))).toBe('finished');

    const parts = await drawnFaces(join(folder, 'parts'));
    const out = join(folder, 'parts-runs');
    const lines: string[] = [];
    const candidates = join(out, 'normal-to-happy', 'candidates');
    const stop = new AbortController();
    const seen = setInterval(() => {
      if (existsSync(candidates) && !stop.signal.aborted) stop.abort();
    }, 1);
    expect(await balance(parts, tinyBalance(out, lines, { ...options, signal: stop.signal }))).toBe('interrupted');
    clearInterval(seen);
    expect(lines.at(-1)).toMatch(/Interrupted and saved. The same command goes on/);
    expect((await generatedIn(parts, 'happy')).rows).toEqual([]);
    const made = (await readdir(candidates)).filter((name) => name.endsWith('.png'));
    expect(made.length).toBeGreaterThan(0);
    expect(made.length).toBeLessThan(8);
    expect(await balance(parts, tinyBalance(out, [], options))).toBe('finished');
    expect(await generatedIn(parts, 'happy')).toEqual(await generatedIn(whole, 'happy'));
  });

  it('goes on training with the pictures it began with, and with no others', async () => {
    const longer = (lines: string[], out: string, signal = new AbortController().signal) => {
      const options = tinyBalance(out, lines, { to: 'happy=15', signal });
      return { ...options, run: { ...options.run, stepsPerEpoch: 12 } };
    };
    const straight = await drawnFaces(join(folder, 'straight'));
    await balance(straight, longer([], join(folder, 'straight-runs')));

    const drawn = await drawnFaces(join(folder, 'changing'));
    const out = join(folder, 'changing-runs');
    const run = join(out, 'normal-to-happy');
    const stop = new AbortController();
    const begun = setInterval(() => existsSync(join(run, 'config.json')) && stop.abort(), 1);
    expect(await balance(drawn, longer([], out, stop.signal))).toBe('interrupted');
    clearInterval(begun);
    expect(existsSync(checkpointPath(run, 'last'))).toBe(true);

    const [one, two] = (await readdir(join(drawn, 'happy'))).map((name) => join(drawn, 'happy', name));
    const before = await readFile(one);
    await unlink(one);
    const again = () => balance(drawn, longer([], out));
    const name = (file: string) => `happy/${basename(file)}`;
    await expect(again()).rejects.toThrow(`1 picture that ${run} learns from is gone, damaged, held out or changed`);
    await writeFile(one, await readFile(two));
    await expect(again()).rejects.toThrow(`first ${name(one)}.`);
    await writeFile(one, before);

    const rows = (await readManifest(drawn)) ?? [];
    const mark = rows.find(({ path }) => path === name(two))?.subject;
    await writeManifest(
      drawn,
      rows.map((row) => (row.subject === mark ? { ...row, split: 'test' } : row)),
    );
    await expect(again()).rejects.toThrow(/learns from (is|are) gone, damaged, held out or changed/);
    await writeManifest(drawn, [...rows, { path: 'happy/new.jpg', label: 'happy', subject: 'new' }]);
    await writeFile(join(drawn, 'happy', 'new.jpg'), before);

    const lines: string[] = [];
    expect(await balance(drawn, { ...longer(lines, out), to: 'happy=16' })).toBe('finished');
    expect(lines).toContain(`  ${run} goes on without 1 picture added since. Another --out begins anew.`);
    const weights = async (path: string) => (await loadCheckpoint(path, 'last')).tensors;
    expect(await weights(run)).toEqual(await weights(join(folder, 'straight-runs', 'normal-to-happy')));
  });

  it('stops while the pictures are read, before anything is begun', async () => {
    const drawn = await drawnFaces(join(folder, 'unread'));
    const out = join(folder, 'unread-runs');
    const options = tinyBalance(out, [], { to: 'happy=18', signal: AbortSignal.abort() });
    expect(await balance(drawn, options)).toBe('interrupted');
    expect(existsSync(join(out, 'normal-to-happy'))).toBe(false);
  });

  it('killed while it records, never leaves a generated picture unmarked, and copies the rest the next time', async () => {
    const drawn = await drawnFaces(join(folder, 'killed'));
    const out = join(folder, 'killed-runs');
    await balance(drawn, tinyBalance(out, [], { to: 'happy=18' }));
    const done = await generatedIn(drawn, 'happy');
    const run = join(out, 'normal-to-happy');
    // As after a kill between the manifest and the last copies.
    const copies = done.names.map((file) => ({ file, path: `happy/${file}` }));
    await writeFile(join(run, 'recording.json'), JSON.stringify({ folder: resolve(drawn), copies }));
    for (const { path } of copies.slice(2)) await unlink(join(drawn, path));
    await finishRecording(run);
    expect(await generatedIn(drawn, 'happy')).toEqual(done);
    expect(existsSync(join(run, 'recording.json'))).toBe(false);
    // As after a kill before the manifest was written: nothing is copied that it does not list.
    const bare = await drawnFaces(join(folder, 'bare'));
    await writeFile(join(run, 'recording.json'), JSON.stringify({ folder: resolve(bare), copies }));
    await finishRecording(run);
    expect((await generatedIn(bare, 'happy')).names).toEqual([]);
    // Pictures that the user threw away afterwards stay away.
    await unlink(join(drawn, copies[0].path));
    await balance(drawn, tinyBalance(out, [], { to: 'happy=17' }));
    expect((await generatedIn(drawn, 'happy')).names).toEqual(done.names.slice(1));
  });

  it('takes pictures of any size and colour, leaves out damaged ones, and says so', async () => {
    const mixed = join(folder, 'mixed');
    const noise = (width: number, height: number, channels: 1 | 3 | 4) =>
      sharp({
        create: {
          width,
          height,
          channels: channels === 1 ? 3 : channels,
          background: { r: 9, g: 99, b: 200, alpha: 0.5 },
        },
      }).toColourspace(channels === 1 ? 'b-w' : 'srgb');
    for (const [name, count] of Object.entries({ calm: 8, glad: 4 })) {
      await mkdir(join(mixed, name), { recursive: true });
      for (let i = 0; i < count; i++) {
        const [width, height] = [
          [7, 300],
          [640, 480],
          [33, 31],
        ][i % 3];
        await noise(width, height, ([1, 3, 4] as const)[i % 3])
          .png()
          .toFile(join(mixed, name, `p${i}.png`));
      }
    }
    await writeFile(join(mixed, 'calm', 'broken.png'), 'not a picture');
    const lines: string[] = [];
    const checks = { maxSimilarity: 1, minTarget: 0.5 };
    expect(await balance(mixed, tinyBalance(join(folder, 'mixed-runs'), lines, { checks, surplus: 3 }))).toBe(
      'finished',
    );
    expect(
      lines.filter((line) => line.includes('left out calm/broken.png: it is not a picture')).length,
    ).toBeGreaterThan(0);
    expect(countByClass(await readDataSet(mixed)).get('glad')).toBe(9);
  });
});

describe('a full disk', () => {
  it('while pictures are recorded loses nothing: none is there unmarked, and the rest comes when there is room', async (context) => {
    const prepared = await prepareReview(12, 12);
    const [work] = prepared.works;
    const disk = join(prepared.out, 'disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      context.skip('mounting a small disk is not allowed here');
    }
    try {
      const kept = { kept: work.candidates, discarded: [] };
      await expect(recordSelection({ folder: disk }, work.task, work.run, kept)).rejects.toThrow(
        /generated-from-.* cannot be written: the disk is full.*Free some space/s,
      );
      const some = await generatedIn(disk, 'happy');
      expect(some.names.length).toBeGreaterThan(0);
      expect(some.names.length).toBeLessThan(12);
      for (const name of some.names) expect(some.rows.map(({ path }) => path)).toContain(`happy/${name}`);
      execFileSync('mount', ['-o', 'remount,size=1m', disk]);
      await finishRecording(work.run);
      expect((await generatedIn(disk, 'happy')).names).toHaveLength(12);
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  it('while a person decides is said, and the decision is taken when there is room', async (context) => {
    const { out } = await prepareReview(1, 1);
    const disk = join(out, 'disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      context.skip('mounting a small disk is not allowed here');
    }
    try {
      const journal = await ReviewJournal.open(join(disk, 'review.jsonl'));
      const ids = Array.from({ length: 400 }, (_, i) => i.toString(16).padStart(20, '0'));
      const act = { act: 'act-00001', seen: 0, kind: 'decide', ids, decision: { keep: true } } as const;
      await expect(journal.submit(act)).rejects.toThrow(/review.jsonl cannot be written: the disk is full/);
      expect([journal.seq, journal.decision(ids[0])]).toEqual([0, undefined]);
      execFileSync('mount', ['-o', 'remount,size=1m', disk]);
      await journal.submit(act);
      expect((await ReviewJournal.open(join(disk, 'review.jsonl'))).decision(ids[399])).toEqual({ keep: true });
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe('what cannot be done is said before anything is trained', () => {
  const attempt = async (data: string, more: Parameters<typeof tinyBalance>[2] = {}, name = 'refused') => {
    const lines: string[] = [];
    const out = join(folder, name);
    const error = await balance(data, tinyBalance(out, lines, more)).then(
      () => '',
      (e: Error) => e.message,
    );
    return { lines: lines.join('\n'), error, out };
  };

  it('wrong names, wrong sizes, a class that cannot be learnt from', async () => {
    const drawn = await drawnFaces(join(folder, 'faces'));
    expect((await attempt(drawn, { to: 'angry=40' })).error).toMatch(/angry=40.*Classes here: happy, normal, sad/s);
    expect((await attempt(drawn, { from: 'calm' })).error).toMatch(/--from calm: there is no such class.*happy/s);
    const fewer = await attempt(drawn, { to: 'happy=3' });
    expect(fewer.lines).toMatch(/happy has 13 already, more than 3; nothing is taken away.*nothing to do/s);
    expect(existsSync(fewer.out)).toBe(false);
    const short = await attempt(drawn, { to: 'sad=500', judges: () => Promise.reject(new Error('stop here')) });
    expect(short.error).toBe('stop here');
    await mkdir(join(drawn, 'cross'));
    await cp(join(drawn, 'happy', (await readdir(join(drawn, 'happy')))[0]), join(drawn, 'cross', 'a.png'));
    await unlink(join(drawn, 'manifest.jsonl')); // now the folders decide
    expect((await attempt(drawn)).error).toMatch(/cross has one real picture to learn from.*few dozen/s);
  });

  it('a classifier that is not there, or knows other classes', async () => {
    await expect(findJudges(['happy'], { classifier: join(folder, 'nowhere') })).rejects.toThrow(/not a run folder/);
  });

  it('a data set that the runs were not trained on, and a folder that another process works in', async () => {
    const drawn = await drawnFaces(join(folder, 'mine'));
    await balance(drawn, tinyBalance(join(folder, 'mine-runs'), [], { to: 'happy=15' }));
    const other = await drawnFaces(join(folder, 'other'));
    expect((await attempt(other, { to: 'happy=15' }, 'mine-runs')).error).toMatch(
      /was trained on .*mine, not on .*other/,
    );
    takeOwnership(join(folder, 'mine-runs'));
    expect((await attempt(drawn, { to: 'happy=16' }, 'mine-runs')).error).toMatch(/in use by process \d+.*Ctrl-C/s);
    giveUpOwnership(join(folder, 'mine-runs'));
  });

  it('that a run keeps the options it was begun with', async () => {
    const drawn = await drawnFaces(join(folder, 'begun'));
    const first = await attempt(drawn, { to: 'happy=15' }, 'begun-runs');
    expect(first.lines).not.toMatch(/keeps the options/);
    const { run } = tinyBalance('', []);
    const second = await attempt(drawn, { to: 'happy=16', run: { ...run, epochs: 7, seed: 9 } }, 'begun-runs');
    expect(second.lines).toMatch(
      /normal-to-happy keeps the options it was begun with: epochs 1, not 7; seed 5, not 9\./,
    );
    expect(second.error).toBe('');
  });

  it('that no source is left, and how many there are at most', async () => {
    const drawn = await drawnFaces(join(folder, 'used-up'));
    const first = await attempt(drawn, { to: 'happy=60' }, 'used-up-runs');
    expect(first.lines).toMatch(/Of the 47 happy pictures wanted at most 21 can be made/);
    expect(first.lines).toMatch(/happy still lacks 26: no normal picture is unused/);
    const second = await attempt(drawn, { to: 'happy=60' }, 'used-up-runs');
    expect(second.error).toMatch(/Every normal picture has been turned into a happy one already.*Add normal pictures/s);
  });
});
