import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { CheckpointError } from '../../engine/errors.ts';
import { storeFloat32, toFloat32 } from '../../engine/safetensors.ts';
import { evaluatePredictions } from '../../pipeline/evaluate/evaluation.ts';
import { sampleSheet } from '../../pipeline/evaluate/sample-sheet.ts';
import { checkpointPath, loadCheckpoint, saveCheckpoint } from '../../pipeline/run/checkpoint.ts';
import { RunFolder, readEvents, readRunConfig } from '../../pipeline/run/folder.ts';
import { renderModelCard } from '../../pipeline/run/model-card.ts';
import { renderReport } from '../../pipeline/run/report.ts';
import { crc32c, fileVersionRecord, maskedCrc32c, summaryRecord } from '../../pipeline/run/tensorboard.ts';
import { describeInBrowser, newPage } from './label/browser.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-run-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Takes TFRecords apart, checking every checksum. */
function records(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const result: Uint8Array[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(view.getBigUint64(at, true));
    expect(view.getUint32(at + 8, true)).toBe(maskedCrc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(view.getUint32(at + 12 + length, true)).toBe(maskedCrc32c(data));
    result.push(data);
    at += 16 + length;
  }
  return result;
}

/** Takes a protocol-buffer message apart into [field number, value]; nested messages stay bytes. */
function fields(message: Uint8Array): [number, number | Uint8Array][] {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const result: [number, number | Uint8Array][] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++] as number;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const field = key >> 3;
    const wire = key & 7;
    if (wire === 0) {
      result.push([field, varint()]);
      continue;
    }
    const length = wire === 1 ? 8 : wire === 5 ? 4 : varint();
    if (wire === 1) result.push([field, view.getFloat64(at, true)]);
    else if (wire === 5) result.push([field, view.getFloat32(at, true)]);
    else result.push([field, message.subarray(at, at + length)]);
    at += length;
  }
  return result;
}

const text = (bytes: unknown) => new TextDecoder().decode(bytes as Uint8Array);

/** [step, tag, value] of every scalar in an event file. */
function scalars(file: Uint8Array): [number, string, number][] {
  return records(file).flatMap((record) => {
    const event = fields(record);
    const step = (event.find(([field]) => field === 2)?.[1] ?? 0) as number;
    const summary = event.find(([field]) => field === 5)?.[1] as Uint8Array | undefined;
    return fields(summary ?? new Uint8Array(0)).map(([, value]): [number, string, number] => {
      const parts = new Map(fields(value as Uint8Array));
      return [step, text(parts.get(1)), parts.get(2) as number];
    });
  });
}

describe('TensorBoard files', () => {
  test('CRC-32C agrees with the published vectors (RFC 3720, B.4)', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });

  test('scalars, pictures and large steps are read back', () => {
    const png = Uint8Array.of(1, 2, 3);
    const file = Uint8Array.from(
      Buffer.concat([
        fileVersionRecord(12.5),
        summaryRecord(13, 300_000_000_000, { 'loss/train': 0.25, grid: { width: 640, height: 2, encoded: png } }),
      ]),
    );
    const [version, summary] = records(file) as [Uint8Array, Uint8Array];
    expect(fields(version)[0]).toEqual([1, 12.5]);
    expect(text(fields(version)[1]?.[1])).toBe('brain.Event:2');
    const event = new Map(fields(summary));
    expect(event.get(2)).toBe(300_000_000_000);
    const [scalar, image] = fields(event.get(5) as Uint8Array).map(([, value]) => new Map(fields(value as Uint8Array)));
    expect([text(scalar?.get(1)), scalar?.get(2)]).toEqual(['loss/train', 0.25]);
    expect(fields(image?.get(4) as Uint8Array)).toEqual([
      [1, 2],
      [2, 640],
      [3, 3],
      [4, png],
    ]);
  });
});

describe('run folders', () => {
  const board = 'events.out.tfevents.kindergrad';

  test('events reach the log, the summary and TensorBoard', async () => {
    const run = await RunFolder.create(join(folder, 'a'), { seed: 1 });
    await run.log({ event: 'step', step: 1, epoch: 0, loss: 0.5 });
    await run.log({ event: 'epoch', step: 1, epoch: 0, trainLoss: 0.5, note: 'first' });
    await run.log({ event: 'epoch', step: 2, epoch: 1, trainLoss: 0.25, note: 'second' });
    await run.close();
    expect((await readEvents(run.path)).map(({ time, ...rest }) => rest)).toEqual(
      run.events.map(({ time, ...rest }) => rest),
    );
    expect(await readFile(join(run.path, 'summary.csv'), 'utf8')).toBe('epoch,step,trainLoss\n0,1,0.5\n1,2,0.25\n');
    expect(scalars(await readFile(join(run.path, board)))).toEqual([
      [1, 'step/loss', 0.5],
      [1, 'epoch/trainLoss', 0.5],
      [2, 'epoch/trainLoss', 0.25],
    ]);
    expect(await readRunConfig(run.path, z.object({ seed: z.number() }))).toEqual({ seed: 1 });
  });

  test('resuming takes back the end of an epoch that was logged and not saved, and the test', async () => {
    const run = await RunFolder.create(folder, {});
    for (const epoch of [0, 1]) {
      await run.log({ event: 'step', step: epoch + 1, epoch });
      await run.log({ event: 'epoch', step: epoch + 1, epoch, trainLoss: 1 });
    }
    await run.log({ event: 'test', step: 2, epoch: 1, accuracy: 1 });
    await run.log({ event: 'end', step: 2, epoch: 1 });
    await run.close();
    // The last checkpoint: after the last step of epoch 1, before its end.
    const again = await RunFolder.resume(folder, { step: 2, epoch: 1 });
    await again.close();
    expect(again.events.map(({ event, step }) => [event, step])).toEqual([
      ['step', 1],
      ['epoch', 1],
      ['step', 2],
    ]);
  });

  test('resuming takes back what came after the checkpoint, and torn lines', async () => {
    const run = await RunFolder.create(folder, {});
    for (let step = 1; step <= 4; step += 1) await run.log({ event: 'step', step, epoch: 0, loss: 1 / step });
    await run.close();
    await appendFile(join(folder, 'events.jsonl'), '{"event":"st');
    await truncate(join(folder, board), (await readFile(join(folder, board))).length - 3);
    const again = await RunFolder.resume(folder, { step: 2, epoch: 0 });
    await again.log({ event: 'step', step: 3, epoch: 0, loss: 9 });
    await again.close();
    expect((await readEvents(folder)).map(({ step, loss }) => [step, loss])).toEqual([
      [1, 1],
      [2, 0.5],
      [3, 9],
    ]);
    expect(scalars(await readFile(join(folder, board))).map(([step, , value]) => [step, value])).toEqual([
      [1, 1],
      [2, 0.5],
      [3, 9],
    ]);
  });

  test('a second run in the same folder is refused, and so is a folder without one', async () => {
    await (await RunFolder.create(folder, {})).close();
    await expect(RunFolder.create(folder, {})).rejects.toThrow(/already holds a run/);
    await expect(readRunConfig(join(folder, 'other'), z.object({}))).rejects.toThrow(/is not a run folder/);
  });
});

describe('checkpoints', () => {
  const weights = (value: number) => new Map([['w', storeFloat32(new Float32Array(4000).fill(value), [4000])]]);

  test('weights and state come back together', async () => {
    await saveCheckpoint(folder, 'last', { tensors: weights(1.5), state: { epoch: 3 } });
    const { tensors, state } = await loadCheckpoint(folder, 'last');
    expect(state).toEqual({ epoch: 3 });
    expect(toFloat32(tensors.get('w') ?? storeFloat32(new Float32Array(0), []))).toEqual(
      new Float32Array(4000).fill(1.5),
    );
    expect(await readdir(join(folder, 'checkpoints'))).toEqual(['last.safetensors']);
  });

  test('a missing, damaged or truncated one is named', async () => {
    await expect(loadCheckpoint(folder, 'last')).rejects.toThrow(CheckpointError);
    await expect(loadCheckpoint(folder, 'best')).rejects.toThrow(
      /best.safetensors cannot be loaded: it does not exist/,
    );
    await saveCheckpoint(folder, 'last', { tensors: weights(1), state: {} });
    await truncate(checkpointPath(folder, 'last'), 9000);
    await expect(loadCheckpoint(folder, 'last')).rejects.toThrow(
      /last.safetensors cannot be loaded: safetensors: tensor "w" spans/,
    );
  });

  test('a full disk leaves the old checkpoint and says so', async (context) => {
    const disk = join(folder, 'disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      context.skip('mounting a small disk is not allowed here');
    }
    try {
      await saveCheckpoint(disk, 'last', { tensors: weights(1), state: { epoch: 1 } });
      await expect(saveCheckpoint(disk, 'last', { tensors: weights(2), state: { epoch: 2 } })).rejects.toThrow(
        /last.safetensors cannot be written: the disk is full. What was there before is unchanged/,
      );
      expect((await loadCheckpoint(disk, 'last')).state).toEqual({ epoch: 1 });
      expect(await readdir(join(disk, 'checkpoints'))).toEqual(['last.safetensors']);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe('the report and the model card', () => {
  const classes = ['<happy>', 'sad'];
  async function evaluation() {
    const file = join(folder, 'a.png');
    await writeFile(
      file,
      await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
        .png()
        .toBuffer(),
    );
    const picture = (label: number, generated: boolean) => ({
      file,
      name: 'a.png',
      label,
      target: [],
      subject: 's',
      generated,
    });
    const pictures = [picture(0, false), picture(1, false), picture(1, true), picture(1, true)];
    return evaluatePredictions(pictures, [0.9, 0.1, 0.8, 0.2, 0.3, 0.7, 0.4, 0.6], 2);
  }

  test('real and generated pictures are counted apart', async () => {
    const { all, real, generated } = await evaluation();
    expect([all.accuracy, real?.accuracy, generated?.accuracy]).toEqual([0.75, 0.5, 1]);
    expect(all.confusion).toEqual([
      [1, 0],
      [1, 2],
    ]);
  });

  test('the sheet has a row for every pair of classes that occurs', async () => {
    const { width, height, encoded } = await sampleSheet(await evaluation(), classes);
    expect([width, height]).toEqual([960, 3 * (96 + 22)]);
    expect((await sharp(encoded).metadata()).format).toBe('png');
  });

  test('the page holds everything itself and escapes what users named', async () => {
    const html = await renderReport({
      title: 'A <run>',
      facts: [['data', 'a & b']],
      classes,
      events: [
        { event: 'step', time: 1, step: 1, epoch: 0, loss: 1, lr: 0.1 },
        { event: 'step', time: 1, step: 2, epoch: 0, loss: 0.5, lr: 0.1 },
        { event: 'epoch', time: 1, step: 2, epoch: 0, trainAccuracy: 0.5 },
      ],
      evaluation: await evaluation(),
      skipped: [{ name: '<x>.jpg', reason: 'is empty' }],
      config: { seed: 1 },
    });
    expect(html).not.toMatch(/<happy>|<run>|<x>/);
    expect(html.match(/<svg/g)?.length).toBe(3);
    expect(html).toContain('75.0 %');
    expect(html).toContain('Mistakes (1 of 1)');
    expect(html).toContain('Left out: 1 file<');
    expect(html).not.toMatch(/(src|href)="(?!data:)/);
  });

  describeInBrowser('in a narrow window', () => {
    test('tables scroll by themselves and the page does not', async () => {
      const long = ['unmistakably-happy', 'neither-happy-nor-sad', 'unmistakably-sad'];
      const html = await renderReport({
        title: 'A run',
        facts: [],
        classes: long,
        events: [],
        evaluation: await evaluation(),
        skipped: [],
        config: {},
      });
      const page = await newPage({ viewport: { width: 320, height: 600 } });
      await page.setContent(html);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
      expect(
        await page.getByRole('region', { name: 'Confusion matrix' }).evaluate((e) => e.scrollWidth),
      ).toBeGreaterThan(320);
    });
  });

  test('the card carries the figures and the warnings', async () => {
    const card = renderModelCard({
      model: 'so-dlse',
      classes,
      parameters: 1234,
      imageSize: 56,
      dataFolder: 'faces',
      counts: { train: 8, val: 1, test: 4, subjects: 5, generated: 2, skipped: 0 },
      epochs: 3,
      seed: 1,
      device: 'llvmpipe',
      version: '0.1.0',
      date: '2026-11-23',
      evaluation: await evaluation(),
    });
    expect(card).toContain('not a medical device');
    expect(card).toContain('| **total accuracy** | 4 | **75.00** |');
    expect(card).toContain('Generated pictures only (2)');
    expect(card).toContain('1,234 parameters');
  });
});
