import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-web';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePicture } from '../../pipeline/dataset/decode.ts';
import { readDataSet } from '../../pipeline/dataset/read.ts';
import { openTrained } from '../../pipeline/evaluate/trained.ts';
import { exportRun } from '../../pipeline/export/export.ts';
import { synthesise } from '../../pipeline/synth/synthesise.ts';
import { beginRun } from '../../pipeline/train/session.ts';
import { readWeights } from '../../pipeline/weights.ts';
import { expectClose } from '../expect-close.ts';

let folder: string;
let data: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindergrad-export-'));
  data = join(folder, 'drawn');
  await synthesise(data, { count: 60, perSubject: 3, seed: 3 });
});
afterAll(() => rm(folder, { recursive: true }));

interface Notes {
  classes: string[];
  preprocessing: {
    resize: number;
    centreCrop: number;
    normalise: 'standardise' | { mean: number[]; std: number[] };
  };
}

/** A picture as the notes say, [1, 3, side, side]: what somebody with the exported files alone would write. */
async function preprocess(file: string, { preprocessing }: Notes): Promise<Tensor> {
  const { resize, centreCrop: side, normalise } = preprocessing;
  const bytes = await decodePicture(file, resize);
  const from = Math.floor((resize - side) / 2);
  const values = Float32Array.from({ length: 3 * side * side }, (_, i) => {
    const [c, y, x] = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
    return bytes[((from + y) * resize + from + x) * 3 + c] / 255;
  });
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.max(Math.sqrt(variance), 1 / Math.sqrt(values.length));
  const normal = values.map((value, i) => {
    if (normalise === 'standardise') return (value - mean) / deviation;
    const c = Math.floor(i / side ** 2);
    return (value - normalise.mean[c]) / normalise.std[c];
  });
  return new Tensor('float32', normal, [1, 3, side, side]);
}

describe.each([
  ['so-dlse', { width: 0.125, imageSize: 24, fc: [64, 32], batchNormMomentum: 0.5 }],
  ['vfeso-dlse', { width: 0.0625, imageSize: 128, fc: [64, 32], batchNormMomentum: 0.5 }],
])('an exported %s', (model, modelOptions) => {
  it('says in ONNX Runtime what the run itself says, and keeps every tensor in safetensors', async () => {
    const run = join(folder, model);
    const options = { model, data, modelOptions, epochs: 1, batchSize: 8, seed: 5 };
    await beginRun(options, run, { signal: new AbortController().signal, say: () => {} });
    const trained = await openTrained(run);
    const [onnx, json] = await exportRun(trained, 'onnx', join(folder, `${model}-exported`));
    const [safetensors] = await exportRun(trained, 'safetensors', join(folder, `${model}-exported`));
    const notes: Notes = JSON.parse(await readFile(json, 'utf8'));
    expect(notes.classes).toEqual(trained.config.classes);

    const session = await InferenceSession.create(new Uint8Array(await readFile(onnx)), {
      executionProviders: ['wasm'],
    });
    const { microBatch, classes } = trained.config;
    const { pictures } = await readDataSet(data, { targets: 'majority' });
    const { resize } = notes.preprocessing;
    const images = new Uint8Array(microBatch * resize * resize * 3);
    const expected: number[] = [];
    for (const [i, picture] of pictures.slice(0, microBatch).entries()) {
      images.set(await decodePicture(picture.file, resize), i * resize * resize * 3);
      const { probabilities } = await session.run({ images: await preprocess(picture.file, notes) });
      expected.push(...(probabilities.data as Float32Array));
    }
    const labels = new Uint32Array(microBatch);
    const targets = new Float32Array(microBatch * classes.length);
    const own = await trained.network.probabilities({ images, labels, targets, pictures: [] });
    expectClose(expected, own, { rtol: 1e-4, atol: 1e-5, label: `${model}: probabilities in ONNX Runtime` });

    // pictures that differ must not all get one answer, or this would compare nothing
    expect(new Set(expected.map((p) => p.toFixed(3))).size).toBeGreaterThan(6);

    const { tensors, metadata } = await readWeights(safetensors);
    const state = await trained.network.stateDict();
    expect([...tensors.keys()].sort()).toEqual([...state.keys()].sort());
    for (const [name, { data: values }] of state) expect(tensors.get(name)?.data, name).toEqual(values);
    expect(JSON.parse(metadata.kindergrad)).toEqual(notes);
    await session.release();
    trained.network.dispose();
  });
});
