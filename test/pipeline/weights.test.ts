import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CheckpointError, DataError } from '../../engine/index.ts';
import { readWeights } from '../../pipeline/weights.ts';

const references = join(import.meta.dirname, '..', 'reference');
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights-'));
});
afterAll(() => rm(folder, { recursive: true }));

it('reads safetensors with their metadata', async () => {
  const { tensors, metadata } = await readWeights(join(references, 'models', 'vgg16.safetensors'));
  expect(tensors.get('initial.features.0.weight')?.shape).toEqual([4, 3, 3, 3]);
  expect(metadata.config).toContain('vgg16');
});

it('reads .pth files, half and brain floats widened', async () => {
  const { tensors } = await readWeights(join(references, 'pth', 'zip.pth'));
  const exact = tensors.get('same-storage')?.data ?? new Float32Array();
  const brain = tensors.get('bfloat16')?.data ?? new Float32Array();
  expect(exact).toHaveLength(24);
  for (const [i, value] of exact.entries())
    expect(Math.abs((brain[i] ?? 0) - value)).toBeLessThanOrEqual(Math.abs(value) / 256);
});

it.each([
  ['os-system.pth', CheckpointError, /os-system\.pth: pickle: it asks for .*system.* nothing was run/],
  ['absent.pth', DataError, /absent\.pth cannot be read/],
])('refuses %s by name', async (name, kind, message) => {
  const attempt = readWeights(join(references, 'pth', name));
  await expect(attempt).rejects.toThrow(kind);
  await expect(readWeights(join(references, 'pth', name))).rejects.toThrow(message);
});

it.each([
  ['text.safetensors', 'not weights at all'],
  ['empty.pth', ''],
])('refuses %s', async (name, content) => {
  const path = join(folder, name);
  await writeFile(path, content);
  await expect(readWeights(path)).rejects.toThrow(CheckpointError);
});
