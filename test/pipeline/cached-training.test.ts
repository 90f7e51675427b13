import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, ConfigError } from '../../engine/index.ts';
import { storeFloat32, writeSafetensors } from '../../engine/safetensors.ts';
import { readEvents } from '../../pipeline/run/folder.ts';
import { synthesise } from '../../pipeline/synth/synthesise.ts';
import type { TrainOptions } from '../../pipeline/train/config.ts';
import { beginRun, resumeRun } from '../../pipeline/train/session.ts';
import { expectClose } from '../expect-close.ts';
import { readReferenceFile } from '../reference.ts';

let folder: string;
let data: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-cached-'));
  data = join(folder, 'drawn');
  await synthesise(data, { count: 40, perSubject: 2, seed: 3 });
});
afterAll(() => rm(folder, { recursive: true }));

const options = (): TrainOptions & { model: string; data: string } => ({
  model: 'vfeso-dlse',
  data,
  modelOptions: { width: 0.0625, imageSize: 128, fc: [64, 32], batchNormMomentum: 0.3 },
  epochs: 2,
  batchSize: 8,
  seed: 5,
});

let runs = 0;
/** Trains; the losses of every step, the test's accuracy, and what was said. */
async function train(changes: Partial<TrainOptions>) {
  const path = join(folder, `run${runs++}`);
  const said: string[] = [];
  const session = { signal: new AbortController().signal, say: (line: string) => void said.push(line) };
  await beginRun({ ...options(), ...changes }, path, session);
  return { figures: await figuresOf(path), said: said.join('\n') };
}

async function figuresOf(path: string): Promise<number[]> {
  return (await readEvents(path)).flatMap(({ event, loss, accuracy }) =>
    event === 'step' ? [Number(loss)] : event === 'test' ? [Number(accuracy)] : [],
  );
}

/** A session that is told to stop when a line begins with `text`. */
function stoppedAt(text: string) {
  const controller = new AbortController();
  const say = (line: string) => void (line.startsWith(text) && controller.abort());
  return { signal: controller.signal, say };
}

const still = { flip: false, rotation: 0, margin: 1 };

describe('training from cached features', () => {
  it('is training on the pictures where nothing is random', async () => {
    const cache = join(folder, 'still');
    const live = await train({ augment: still });
    const cached = await train({ augment: still, cache, cacheDraws: 1, cacheDtype: 'f32' });
    expectClose(cached.figures, live.figures, { rtol: 1e-6, atol: 1e-7, label: 'losses from the cache' });
    expect(cached.said).toMatch(/features of \d+ train pictures × 1: .* of f32/);
  });

  it('computes the features once, and refuses those of another extractor', async () => {
    const cache = join(folder, 'drawn-features');
    const first = await train({ cache, cacheDraws: 2 });
    const second = await train({ cache, cacheDraws: 2 });
    expect(second.said).toMatch(/train pictures × 2: .* all there/);
    expect(second.figures).toEqual(first.figures);
    const other = train({ cache, cacheDraws: 2, seed: 6 });
    await expect(other).rejects.toThrow(CheckpointError);
    await expect(train({ cache, cacheDraws: 2, seed: 6 })).rejects.toThrow(/was made otherwise: weights was/);
  });

  it('stops while features are computed, and goes on from there to the same run', async () => {
    const cache = join(folder, 'stopped-features');
    const whole = await train({ cache: join(folder, 'whole-features'), cacheDraws: 2 });
    const path = join(folder, 'stopped');
    const begun = { ...options(), cache, cacheDraws: 2 };
    // Told to stop when the first features are due.
    expect((await beginRun(begun, path, stoppedAt('features of'))).state).toBe('interrupted');
    expect((await readdir(join(cache, 'train'))).filter((name) => name.endsWith('.bin'))).toEqual([]);
    const { state } = await resumeRun(path, { signal: new AbortController().signal, say: () => undefined });
    expect(state).toBe('finished');
    expect(await figuresOf(path)).toEqual(whole.figures);
  });

  it('stops while the pictures are read again for their features', async () => {
    const [cache, path] = [join(folder, 'unread-features'), join(folder, 'unread')];
    await beginRun({ ...options(), cache }, path, stoppedAt('run folder'));
    expect(await readdir(cache).catch(() => 'nothing there')).toBe('nothing there');
    // Also on the way back, where nothing has been read before.
    expect((await resumeRun(path, { signal: AbortSignal.abort(), say: () => undefined })).state).toBe('interrupted');
    expect(await readdir(cache).catch(() => 'nothing there')).toBe('nothing there');
  });

  it('keeps its paths in full, so that the run goes on from any folder', async () => {
    const cache = join(folder, 'relative-features');
    const run = join(folder, 'relative');
    await beginRun({ ...options(), cache: relative(process.cwd(), cache) }, run, stoppedAt('run folder'));
    expect(JSON.parse(await readFile(join(run, 'config.json'), 'utf8'))).toMatchObject({ data, cache, weights: null });
    const weights = join(folder, 'vgg16.safetensors');
    const tensors = [...readReferenceFile('models/vgg16').tensors].flatMap(([key, { shape, data }]) =>
      key.startsWith('initial.') ? [[key.slice(8), storeFloat32(Float32Array.from(data), shape)] as const] : [],
    );
    await writeFile(weights, writeSafetensors(tensors));
    const other = join(folder, 'relative-weights');
    await beginRun({ ...options(), weights: relative(process.cwd(), weights) }, other, stoppedAt('run folder'));
    expect(JSON.parse(await readFile(join(other, 'config.json'), 'utf8'))).toMatchObject({ weights, cache: null });
  });

  it('is for models with a frozen extractor', async () => {
    await expect(train({ model: 'so-dlse', cache: join(folder, 'none') })).rejects.toThrow(ConfigError);
  });
});
