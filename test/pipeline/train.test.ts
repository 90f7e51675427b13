import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { classifierConfig, classifierPlan } from '../../models/index.ts';
import { main } from '../../pipeline/cli.ts';
import { readDataSet } from '../../pipeline/dataset/read.ts';
import { describeTrained, evaluateRun, openTrained, predictFiles } from '../../pipeline/evaluate/trained.ts';
import { readManifest, writeManifest } from '../../pipeline/manifest.ts';
import { loadCheckpoint } from '../../pipeline/run/checkpoint.ts';
import { readEvents } from '../../pipeline/run/folder.ts';
import { synthesise } from '../../pipeline/synth/synthesise.ts';
import { fittingMicroBatch } from '../../pipeline/train/classifier-trainer.ts';
import { resolveTrainConfig, type TrainOptions } from '../../pipeline/train/config.ts';
import { beginRun, dryRun, resumeRun } from '../../pipeline/train/session.ts';

const bin = fileURLToPath(new URL('../../bin/kindergrad.mjs', import.meta.url));

let folder: string;
let data: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-train-'));
  data = join(folder, 'drawn');
  await synthesise(data, { count: 60, perSubject: 3, seed: 3 });
});
afterAll(() => rm(folder, { recursive: true }));

/** The smallest network that has every part. */
const small = (): TrainOptions & { model: string; data: string } => ({
  model: 'so-dlse',
  data,
  preset: 'smoke',
  modelOptions: { width: 0.125, imageSize: 24, fc: [64, 32] },
  epochs: 2,
  batchSize: 8,
  seed: 5,
});

function session() {
  const said: string[] = [];
  return { said, options: { signal: new AbortController().signal, say: (line: string) => void said.push(line) } };
}

/** One that is told to stop when the run folder is there: after the first step. */
function stoppedAtOnce() {
  const controller = new AbortController();
  const say = (line: string) => void (line.startsWith('run folder') && controller.abort());
  return { signal: controller.signal, say };
}

/** What must be the same in two runs: every step's losses and learning rate, every epoch's figures, but no times. */
async function curve(run: string): Promise<unknown[]> {
  const events = await readEvents(run);
  return events
    .filter(({ event }) => event === 'step' || event === 'epoch' || event === 'test')
    .map(({ time, seconds, ...rest }) => rest);
}

describe('a run', () => {
  let whole: string;
  let said: string[];
  beforeAll(async () => {
    whole = join(folder, 'whole');
    const own = session();
    const outcome = await beginRun(small(), whole, own.options);
    expect(outcome.state).toBe('finished');
    said = own.said;
  });

  test('leaves every file, and losses that fall', async () => {
    expect((await readdir(whole)).sort()).toEqual([
      'checkpoints',
      'config.json',
      'events.jsonl',
      'events.out.tfevents.kindergrad',
      'model-card.md',
      'report.html',
      'split.json',
      'summary.csv',
    ]);
    expect((await readdir(join(whole, 'checkpoints'))).sort()).toEqual(['best.safetensors', 'last.safetensors']);
    const epochs = (await readEvents(whole)).filter(({ event }) => event === 'epoch');
    expect(epochs).toHaveLength(2);
    expect(Number(epochs[1].trainLoss)).toBeLessThan(Number(epochs[0].trainLoss));
    expect(said.join('\n')).toMatch(/Average accuracy/);
    expect(said.at(-1)).toMatch(/report\.html$/);
  });

  test('checkpoints carry PyTorch’s keys and shapes', async () => {
    const { tensors } = await loadCheckpoint(whole, 'best');
    expect(tensors.get('model.trunk.conv1.weight')?.shape).toEqual([8, 3, 3, 3]);
    expect([...tensors.keys()].every((key) => key.startsWith('model.'))).toBe(true);
    const last = await loadCheckpoint(whole, 'last');
    expect(last.tensors.has('optimizer.exp_avg.trunk.conv1.weight')).toBe(true);
    expect(last.tensors.has('objective.centres')).toBe(true);
  });

  test('is the same again from the same seed, bit for bit', async () => {
    const again = join(folder, 'again');
    await beginRun(small(), again, session().options);
    expect(await curve(again)).toEqual(await curve(whole));
  });

  /** The same run as a process of its own, saving after every step, which gets `signal` after a few. @returns how it ended */
  async function signalled(run: string, signal: NodeJS.Signals): Promise<unknown> {
    const options = ['--preset', 'smoke', '--epochs', '2', '--batch-size', '8', '--seed', '5', '--out', run];
    const model = ['--set', 'width=0.125', 'imageSize=24', 'fc=[64,32]', '--checkpoint-minutes', '0.000001'];
    const args = [bin, 'train', 'so-dlse', '--data', data, ...options, ...model];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    const end = new Promise((resolve) => child.once('exit', (code, killedBy) => resolve(killedBy ?? code)));
    for (let steps = 0; steps < 2 && child.exitCode === null; ) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      steps = (await readEvents(run)).filter(({ event }) => event === 'step').length;
    }
    child.kill(signal);
    return end;
  }

  test('stopped with Ctrl-C and resumed, it is the same, bit for bit', async () => {
    const stopped = join(folder, 'stopped');
    expect(await signalled(stopped, 'SIGINT')).toBe(130);
    const before = await readEvents(stopped);
    expect(before.at(-1)?.event).toBe('interrupted');
    expect(before.filter(({ event }) => event === 'step').length).toBeLessThan(8);
    const { state } = await resumeRun(stopped, session().options);
    expect(state).toBe('finished');
    expect(await curve(stopped)).toEqual(await curve(whole));
  });

  test('killed with SIGKILL and resumed, it is the same, bit for bit', async () => {
    const killed = join(folder, 'killed');
    expect(await signalled(killed, 'SIGKILL')).toBe('SIGKILL');
    expect((await readEvents(killed)).filter(({ event }) => event === 'step').length).toBeLessThan(8);
    await resumeRun(killed, session().options);
    expect(await curve(killed)).toEqual(await curve(whole));
  });

  test('killed before its first checkpoint and resumed, it is the same, bit for bit', async () => {
    const early = join(folder, 'early');
    for (const name of ['config.json', 'split.json']) await cp(join(whole, name), join(early, name));
    await resumeRun(early, session().options);
    expect(await curve(early)).toEqual(await curve(whole));
    // Also one that begins from given weights.
    const [pretrained, again] = [join(folder, 'pretrained'), join(folder, 'pretrained again')];
    const weights = join(whole, 'checkpoints', 'best.safetensors');
    await beginRun({ ...small(), epochs: 1, weights }, pretrained, session().options);
    for (const name of ['config.json', 'split.json']) await cp(join(pretrained, name), join(again, name));
    await resumeRun(again, session().options);
    expect(await curve(again)).toEqual(await curve(pretrained));
  });

  test('can be evaluated on its own test pictures, on other data and on single files', async () => {
    const trained = await openTrained(whole);
    const own = session();
    const held = await evaluateRun(whole, trained, data, { say: own.options.say });
    const tested = (await readEvents(whole)).find(({ event }) => event === 'test');
    expect(held.all.accuracy).toBe(tested?.accuracy);
    await symlink(data, join(folder, 'same'));
    expect((await evaluateRun(whole, trained, join(folder, 'same'), own.options)).all).toEqual(held.all);
    const other = join(folder, 'other');
    await cp(join(data, 'normal'), join(other, 'neutral'), { recursive: true });
    await cp(join(data, 'happy'), join(other, 'happy'), { recursive: true });
    await expect(evaluateRun(whole, trained, other, own.options)).rejects.toThrow(/has neutral/);
    const misspelt = { rename: new Map([['neutral', 'normall']]), say: own.options.say };
    await expect(evaluateRun(whole, trained, other, misspelt)).rejects.toThrow(/neutral, mapped to normall/);
    const renamed = await evaluateRun(whole, trained, other, {
      rename: new Map([['neutral', 'normal']]),
      say: own.options.say,
    });
    expect(renamed.all.perClass.map(({ support }) => support)).toEqual([20, 32, 0]);
    expect(renamed.caveat).toMatch(/^\d+ of these 52 pictures show subjects that the network was trained on or chosen/);
    const text = join(folder, 'text.jpg');
    await writeFile(text, 'no picture');
    const [first] = await readdir(join(data, 'sad'));
    const rows = await predictFiles(trained, [join(data, 'sad', first), text, join(folder, 'nowhere.jpg')]);
    expect(rows[0].probabilities?.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(rows.slice(1).map(({ reason }) => reason)).toEqual([
      'is not a picture',
      'cannot be read (it does not exist)',
    ]);
    trained.network.dispose();
  });

  test('is evaluated on what it held out, also where its data set was moved, and has grown', async () => {
    const trained = await openTrained(whole);
    const { said, options } = session();
    const held = await evaluateRun(whole, trained, data, options);
    expect(held.caveat).toBeUndefined();
    const moved = join(folder, 'moved data');
    await cp(data, moved, { recursive: true });
    expect((await evaluateRun(whole, trained, moved, options)).predictions.map(({ picture }) => picture.name)).toEqual(
      held.predictions.map(({ picture }) => picture.name),
    );
    expect(said).toEqual(
      Array(2).fill(`${held.all.total} pictures that the run held out from training (its split.json)`),
    );
    const [one] = await readdir(join(data, 'sad'));
    await writeManifest(moved, [
      ...((await readManifest(moved)) ?? []),
      { path: 'sad/new.jpg', label: 'sad', subject: 'new' },
    ]);
    await sharp(join(data, 'sad', one))
      .flop()
      .toFile(join(moved, 'sad', 'new.jpg'));
    expect((await evaluateRun(whole, trained, moved, options)).all).toEqual(held.all);
    expect(said.at(-1)).toMatch(/; the run does not know 1 of the others, which --all tests, too$/);

    const all = await evaluateRun(whole, trained, moved, { ...options, all: true });
    expect(all.all.total).toBe(61);
    const unseen = held.all.total + 1;
    expect(all.known?.size).toBe(61 - unseen);
    const right = all.predictions.filter(({ picture, predicted }) => {
      return predicted === picture.label && !all.known?.has(picture.name);
    });
    const share = ((100 * right.length) / unseen).toFixed(1);
    expect(all.caveat).toBe(
      `${61 - unseen} of these 61 pictures show subjects that the network was trained on or chosen by; of the other ${unseen} it has ${share} % right.`,
    );
    trained.network.dispose();
  });

  test('says of a part of its data set, and of one saved anew, that these are no new faces', async () => {
    const trained = await openTrained(whole);
    const { options } = session();
    const { train } = JSON.parse(await readFile(join(whole, 'split.json'), 'utf8'));
    const [part, anew] = [join(folder, 'part'), join(folder, 'anew')];
    for (const { path } of train) await cp(join(data, path), join(part, path));
    const known = await evaluateRun(whole, trained, part, options);
    expect(known.caveat).toMatch(/^(\d+) of these \1 pictures show subjects .*; none shows a new face\.$/);
    await cp(data, anew, { recursive: true });
    for (const name of ['happy', 'normal', 'sad']) {
      for (const file of await readdir(join(anew, name))) {
        const path = join(anew, name, file);
        await writeFile(
          path,
          await sharp(await readFile(path))
            .jpeg({ quality: 50 })
            .toBuffer(),
        );
      }
    }
    const alike = await evaluateRun(whole, trained, anew, options);
    expect(alike.all.total).toBe(60);
    expect(alike.caveat).toMatch(
      /^\d+ of these 60 pictures show subjects with the name of one .* if they are the same/,
    );
    trained.network.dispose();
    const csv = join(folder, 'known.csv');
    expect(await main(['evaluate', whole, '--data', part, '--csv', csv])).toBe(0);
    expect(await readFile(csv, 'utf8')).toMatch(/,p_sad,known\n(.*,yes\n)+$/);
  });

  test('its predictions can be written into a folder that is not there yet', async () => {
    const csv = join(folder, 'new folder', 'predictions.csv');
    expect(await main(['evaluate', whole, '--data', data, '--csv', csv])).toBe(0);
    expect(await readFile(csv, 'utf8')).toMatch(/^path,subject,label,predicted,p_happy,p_normal,p_sad\n/);
  });

  test('that is finished says so when it is resumed', async () => {
    const done = join(folder, 'done');
    await cp(whole, done, { recursive: true });
    const { said, options } = session();
    await resumeRun(done, options);
    expect(said[0]).toBe(`${done} has done its 2 epochs; what is left is the test`);
  });

  test('whose pictures are damaged in part counts the same ones when it is resumed', async () => {
    const flawed = join(folder, 'flawed');
    await cp(data, flawed, { recursive: true });
    await rm(join(flawed, 'manifest.jsonl'));
    await writeFile(join(flawed, 'happy', 'nobody.png'), 'no picture');
    const run = join(folder, 'flawed run');
    await beginRun({ ...small(), data: flawed, epochs: 1 }, run, session().options);
    const subjects = async () => /\d+ subjects/.exec(await readFile(join(run, 'report.html'), 'utf8'))?.[0];
    const before = await subjects();
    await resumeRun(run, session().options);
    expect(await subjects()).toBe(before);
  });

  test('that diverges stops, says so, and keeps the last good checkpoint', async () => {
    const bad = join(folder, 'diverging');
    await cp(whole, bad, { recursive: true });
    const config = JSON.parse(await readFile(join(bad, 'config.json'), 'utf8'));
    await writeFile(join(bad, 'config.json'), JSON.stringify({ ...config, epochs: 4, lr: 1e38, lrEnd: 1e38 }));
    const before = await readFile(join(bad, 'checkpoints', 'last.safetensors'));
    await expect(resumeRun(bad, session().options)).rejects.toThrow(/The loss became .* at step|not a number/);
    expect(await readFile(join(bad, 'checkpoints', 'last.safetensors'))).toEqual(before);
  });

  test('whose pictures are gone cannot be resumed', async () => {
    const moved = join(folder, 'moved');
    await cp(whole, moved, { recursive: true });
    const config = JSON.parse(await readFile(join(moved, 'config.json'), 'utf8'));
    const fewer = join(folder, 'fewer');
    await cp(data, fewer, { recursive: true });
    const [gone] = await readdir(join(fewer, 'happy'));
    await rm(join(fewer, 'happy', gone));
    await writeFile(join(moved, 'config.json'), JSON.stringify({ ...config, data: fewer }));
    await expect(resumeRun(moved, session().options)).rejects.toThrow(
      /^1 picture of this run is gone or changed class, first /,
    );
  });
});

describe('Ctrl-C while pictures are read', () => {
  let large: string;
  beforeAll(async () => {
    large = join(folder, 'large');
    await cp(data, large, { recursive: true });
    await rm(join(large, 'manifest.jsonl'));
    // Each takes long to decode and little to store: all of them take many seconds.
    const picture = await sharp({ create: { width: 6000, height: 6000, channels: 3, background: '#c96' } })
      .png()
      .toBuffer();
    for (let i = 0; i < 60; i += 1) await writeFile(join(large, 'happy', `Large${i}_1.png`), picture);
  });

  test('stops there, before anything is begun', async () => {
    const run = join(folder, 'never begun');
    const options = ['--batch-size', '8', '--set', 'width=0.125', 'imageSize=24', 'fc=[64,32]', '--out', run];
    const child = spawn(process.execPath, [bin, 'train', 'so-dlse', '--data', large, ...options]);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    const end = new Promise((resolve) => child.once('close', (code, killedBy) => resolve(killedBy ?? code)));
    while (!output.includes('reading pictures') && child.exitCode === null) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    child.kill('SIGINT');
    expect(await end).toBe(130);
    expect(output).toMatch(/stopping: .*\n(.*\n)*stopped while the pictures were read: nothing was begun/);
    expect(existsSync(run)).toBe(false);
  });

  test('stops a dry run, too', async () => {
    const controller = new AbortController();
    const outcome = dryRun({ ...small(), data: large }, { signal: controller.signal, say: () => undefined });
    controller.abort();
    expect(await outcome).toBe('interrupted');
  });
});

test('dropout goes on where it was: a run stopped and resumed is the same, bit for bit', async () => {
  const options = { ...small(), model: 'vgg16', modelOptions: { width: 1 / 32, imageSize: 32 }, epochs: 1 };
  const [straight, stopped] = [join(folder, 'straight'), join(folder, 'stopped-dropout')];
  await beginRun(options, straight, session().options);
  expect((await beginRun(options, stopped, stoppedAtOnce())).state).toBe('interrupted');
  await resumeRun(stopped, session().options);
  expect(await curve(stopped)).toEqual(await curve(straight));
});

test('validation pictures that the manifest names choose the checkpoint, which is then the one that counts', async () => {
  const named = join(folder, 'named');
  await cp(data, named, { recursive: true });
  const rows = await readManifest(named);
  const sides = new Map((await readDataSet(named)).pictures.map(({ name, subject }) => [name, subject]));
  const held = new Set([...new Set(sides.values())].slice(0, 6));
  await writeManifest(
    named,
    (rows ?? []).map((row) => (held.has(sides.get(row.path ?? '') ?? '') ? { ...row, split: 'val' } : row)),
  );
  const run = join(folder, 'named-run');
  await beginRun({ ...small(), data: named, valShare: 0 }, run, session().options);
  const tested = (await readEvents(run)).find(({ event }) => event === 'test');
  expect(tested?.checkpoint).toBe('best');
  expect((await describeTrained(run)).checkpoint).toBe('best');
});

describe('options', () => {
  test('a dry run writes nothing', async () => {
    const before = await readdir(folder);
    const own = session();
    await dryRun(small(), own.options);
    expect(await readdir(folder)).toEqual(before);
    expect(own.said.at(-1)).toBe('dry run: nothing was written');
  });

  test('what told the subjects is said where the manifest does not name them', async () => {
    const named = session();
    await dryRun(small(), named.options);
    expect(named.said.join('\n')).not.toMatch(/subjects told/);
    const guessed = join(folder, 'guessed');
    await cp(data, guessed, { recursive: true });
    await rm(join(guessed, 'manifest.jsonl'));
    const [first] = await readdir(join(data, 'sad'));
    await cp(join(data, 'sad', first), join(guessed, 'sad', 'anna', '1.jpg'));
    await cp(join(data, 'sad', first), join(guessed, 'sad', 'IMG_1.jpg'));
    const { said, options } = session();
    await dryRun({ ...small(), data: guessed }, options);
    expect(said.join('\n')).toMatch(
      /subjects told: 1 by folder \(anna\), 20 by file name \(s\d+, s\d+, s\d+, …\), 1 file by nothing; where/,
    );
  });

  test('one batch can be learnt by heart', async () => {
    const run = join(folder, 'overfit');
    const options = { ...small(), overfitOneBatch: true, epochs: 6, lr: 0.005, lrEnd: 0.005 };
    const { evaluation } = await beginRun(options, run, session().options);
    const epochs = (await readEvents(run)).filter(({ event }) => event === 'epoch');
    expect(epochs.at(-1)?.trainAccuracy).toBe(1);
    expect(evaluation?.all.total).toBe(8);
  });

  test('micro-batches add up to the batch where no layer looks at the batch', async () => {
    const losses = async (microBatch: number) => {
      const run = join(folder, `micro-${microBatch}`);
      const options = {
        ...small(),
        model: 'dlp',
        epochs: 1,
        microBatch,
        augment: { flip: false, rotation: 0, margin: 1 },
      };
      await beginRun({ ...options, modelOptions: { width: 0.125, imageSize: 24, fc: 64 } }, run, session().options);
      return (await readEvents(run)).filter(({ event }) => event === 'step').map(({ loss }) => Number(loss));
    };
    const [whole, halves] = [await losses(8), await losses(4)];
    expect(whole.length).toBeGreaterThan(3);
    for (const [i, loss] of whole.entries()) expect(Math.abs(loss - halves[i]) / loss, `step ${i}`).toBeLessThan(1e-3);
  });

  test('the micro-batch is the largest divisor whose activations fit the device', () => {
    const config = resolveTrainConfig(
      { ...small(), preset: 'paper', modelOptions: {}, batchSize: 128 },
      { version: '0', classes: ['a', 'b', 'c'] },
    );
    const plans = [classifierPlan('so-dlse', classifierConfig('so-dlse'))];
    // The first convolution leaves 100×100×64 floats a picture: 2.56 MB.
    expect(fittingMicroBatch(config, plans, 128 * 2 ** 20)).toBe(32);
    expect(fittingMicroBatch(config, plans, 2 ** 31)).toBe(128);
    expect(fittingMicroBatch({ ...config, batchSize: 96, microBatch: 96 }, plans, 128 * 2 ** 20)).toBe(48);
  });

  test('too few pictures for a batch are named, and pictures behind a link are read', async () => {
    const linked = join(folder, 'linked');
    await symlink(data, linked);
    await expect(dryRun({ ...small(), data: linked, batchSize: 512 }, session().options)).rejects.toThrow(
      /training pictures do not fill a batch of 512/,
    );
  });
});
