import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, type Device, openDevice } from '../../engine/node.ts';
import { storeFloat32, writeSafetensors } from '../../engine/safetensors.ts';
import { createModel } from '../../models/index.ts';
import { loadInitialWeights } from '../../pipeline/train/initial-weights.ts';
import { readReferenceFile } from '../reference.ts';

let device: Device;
let folder = '';
beforeAll(async () => {
  device = await openDevice();
  folder = await mkdtemp(join(tmpdir(), 'initial-'));
});
afterAll(async () => {
  device.close();
  await rm(folder, { recursive: true });
});

type Tensors = Iterable<readonly [string, { shape: readonly number[]; data: ArrayLike<number> }]>;

async function file(name: string, tensors: Tensors, metadata: Record<string, string> = {}): Promise<string> {
  const path = join(folder, `${name}.safetensors`);
  const stored = [...tensors].map(
    ([key, { shape, data }]) => [key, storeFloat32(Float32Array.from(data), shape)] as const,
  );
  await writeFile(path, writeSafetensors(stored, metadata));
  return path;
}

/** VGG16 at width 1/16 for pictures of 64 and ten classes. */
const vgg16 = () =>
  [...readReferenceFile('models/vgg16').tensors].flatMap(([name, tensor]) =>
    name.startsWith('initial.') ? [[name.slice(8), tensor] as const] : [],
  );
const value = (name: string): number[] => [...(new Map(vgg16()).get(name)?.data ?? [])];
const small = { width: 1 / 16, imageSize: 64 };

describe('VGG16 weights', () => {
  it('go into the extractor of vfeso-dlse', async () => {
    const model = createModel('vfeso-dlse', { ...small, imageSize: 128 });
    const said = await loadInitialWeights(model, await file('extractor', vgg16()));
    expect(said).toMatch(/20 tensors used, 12 not needed/);
    const state = await model.stateDict();
    expect([...(state.get('extractor.features.21.weight')?.data ?? [])]).toEqual(value('features.21.weight'));
    model.dispose();
  });

  it('of another number of classes leave the decision layer as it was', async () => {
    const model = createModel('vgg16', { ...small, classes: 3 });
    expect(await loadInitialWeights(model, await file('classes', vgg16()))).toMatch(/classifier\.6\.bias start anew/);
    expect([...((await model.stateDict()).get('classifier.3.bias')?.data ?? [])]).toEqual(value('classifier.3.bias'));
    model.dispose();
  });

  it('for pictures of another size give their features alone', async () => {
    const model = createModel('vgg16', { ...small, imageSize: 96 });
    expect(await loadInitialWeights(model, await file('size', vgg16()))).toMatch(/classifier\.0\.weight/);
    expect([...((await model.stateDict()).get('features.28.bias')?.data ?? [])]).toEqual(value('features.28.bias'));
    model.dispose();
  });

  it('from Caffe are turned round once: not again when they come from a run or an export of ours', async () => {
    const caffe = { ...small, imageSize: 128, preprocessing: 'caffe' } as const;
    const ours = vgg16().map(([name, tensor]) => [`model.${name}`, tensor] as const);
    const first = async (path: string) => {
      const model = createModel('vfeso-dlse', caffe);
      await loadInitialWeights(model, path);
      const { data = [] } = (await model.stateDict()).get('extractor.features.0.weight') ?? {};
      model.dispose();
      return [...data].slice(0, 27);
    };
    const stored = value('features.0.weight').slice(0, 27);
    const turned = [...stored.slice(18), ...stored.slice(9, 18), ...stored.slice(0, 9)];
    expect(await first(await file('caffe', vgg16()))).toEqual(turned);
    expect(await first(await file('caffe-run', ours))).toEqual(stored);
    expect(await first(await file('caffe-export', vgg16(), { kindergrad: '{}' }))).toEqual(stored);
  });

  it('of another width are refused', async () => {
    const model = createModel('vfeso-dlse', { width: 1 / 8, imageSize: 128 });
    const path = await file('width', vgg16());
    await expect(loadInitialWeights(model, path)).rejects.toThrow(CheckpointError);
    await expect(loadInitialWeights(model, path)).rejects.toThrow(/features\.0\.weight is \[4, 3, 3, 3\], needed \[8/);
    model.dispose();
  });
});

describe('weights of the same model', () => {
  it('come from a checkpoint or an export, also with other classes', async () => {
    const options = { width: 1 / 16, imageSize: 24 };
    const trained = createModel('so-dlse', options, 8);
    const state = await trained.stateDict();
    const expected = [...(state.get('classifier.fc2.weight')?.data ?? [])];
    const checkpoint = [...state].map(([name, tensor]) => [`model.${name}`, tensor] as const);
    const other = [['optimizer.steps', { shape: [1], data: [3] }]] as const;
    for (const [classes, path] of [
      [3, await file('checkpoint', [...checkpoint, ...other])],
      [3, await file('export', state)],
      [5, await file('export', state)],
    ] as const) {
      const model = createModel('so-dlse', { ...options, classes }, 9);
      const said = await loadInitialWeights(model, path);
      expect(said.includes('decision layer starts anew')).toBe(classes === 5);
      expect([...((await model.stateDict()).get('classifier.fc2.weight')?.data ?? [])]).toEqual(expected);
      model.dispose();
    }
    trained.dispose();
  });

  it('of another model are refused', async () => {
    const model = createModel('so-dlse', { width: 1 / 16, imageSize: 24 });
    const path = await file('other', vgg16());
    await expect(loadInitialWeights(model, path)).rejects.toThrow(/is not a so-dlse with these options/);
    model.dispose();
  });
});
