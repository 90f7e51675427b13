import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { synthesise } from '../../pipeline/synth/synthesise.ts';

let bindingLimit = Number.POSITIVE_INFINITY;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-bindings-'));
  await synthesise(join(folder, 'drawn'), { count: 60, perSubject: 3, seed: 3 });
  // Test files share their modules: these are loaded anew, on devices that say they bind as little as `bindingLimit`.
  vi.resetModules();
  vi.doMock('../../engine/node.ts', async (importOriginal) => {
    const engine = await importOriginal<typeof import('../../engine/node.ts')>();
    const openDevice: typeof engine.openDevice = async (...options) => {
      const device = await engine.openDevice(...options);
      const limits = new Proxy(device.gpu.limits, {
        get: (all, name) => (name === 'maxStorageBufferBindingSize' ? bindingLimit : Reflect.get(all, name)),
      });
      vi.spyOn(device.gpu, 'limits', 'get').mockReturnValue(limits);
      return device;
    };
    return { ...engine, openDevice };
  });
});
afterAll(async () => {
  vi.doUnmock('../../engine/node.ts');
  vi.resetModules();
  await rm(folder, { recursive: true });
});

// The first convolution of this network leaves 24 × 24 × 8 floats a picture.
const fitting = (pictures: number) => pictures * 24 * 24 * 8 * 4;
const quiet = { signal: new AbortController().signal, say: () => undefined };

test('where a batch does not fit, every picture is tested all the same: after training, and later on a smaller device', async () => {
  const { beginRun } = await import('../../pipeline/train/session.ts');
  const { evaluateRun, openTrained } = await import('../../pipeline/evaluate/trained.ts');
  const data = join(folder, 'drawn');
  const run = join(folder, 'run');
  const modelOptions = { width: 0.125, imageSize: 24, fc: 64 };
  bindingLimit = fitting(4);
  const { evaluation } = await beginRun({ model: 'dlp', data, modelOptions, epochs: 1, batchSize: 8 }, run, quiet);
  expect(JSON.parse(await readFile(join(run, 'config.json'), 'utf8'))).toMatchObject({ batchSize: 8, microBatch: 4 });
  const sums = evaluation?.predictions.map(({ probabilities }) => probabilities.reduce((a, b) => a + b).toFixed(3));
  expect(new Set(sums)).toEqual(new Set(['1.000']));

  bindingLimit = fitting(2);
  const trained = await openTrained(run);
  expect(trained.network.config.microBatch).toBe(2);
  const later = await evaluateRun(run, trained, data, quiet);
  trained.network.dispose();
  expect(later.all.total).toBe(evaluation?.all.total);
  for (const [i, { probabilities }] of later.predictions.entries())
    for (const [k, p] of probabilities.entries())
      expect(p).toBeCloseTo(evaluation?.predictions[i].probabilities[k] ?? 0, 4);
});
