import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../engine/errors.ts';
import { readPytorchStateDict } from '../../engine/pytorch/state-dict.ts';
import { toFloat64 } from '../../engine/safetensors.ts';
import { readReferenceFile } from '../reference.ts';

const folder = join(import.meta.dirname, '..', 'reference', 'pth');
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(join(folder, name)));
const expected = readReferenceFile('pth/values').tensors;

describe.each(['zip.pth', 'legacy.pth'])('%s', (file) => {
  const tensors = readPytorchStateDict(read(file));

  it('holds every tensor under its name', () => {
    expect([...tensors.keys()].sort()).toEqual([...expected.keys()].sort());
    expect(tensors.get('features.0.weight')?.shape).toEqual([2, 3, 3, 3]);
    expect(tensors.get('num_batches_tracked')?.shape).toEqual([]);
    expect(tensors.get('empty')?.shape).toEqual([0, 3]);
  });

  it.each([...expected.keys()])('reads the values of %s, views and transposed ones too', (name) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`${name} is missing`);
    expect(tensor.shape).toEqual(expected.get(name)?.shape);
    expect(toFloat64(tensor)).toEqual(expected.get(name)?.data);
  });

  it('is refused when cut off anywhere', () => {
    const bytes = read(file);
    for (let length = 0; length < bytes.length; length += 97) {
      expect(() => readPytorchStateDict(bytes.subarray(0, length)), `${length} bytes`).toThrow(CheckpointError);
    }
  });

  it('never fails with anything but a CheckpointError when a byte is changed', () => {
    const good = read(file);
    for (let at = 0; at < good.length; at += 3) {
      const bytes = good.slice();
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      try {
        readPytorchStateDict(bytes);
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
      }
    }
  });
});

describe('other files', () => {
  it('finds the state dictionary in a training checkpoint', () => {
    expect(readPytorchStateDict(read('wrapped.pth')).get('weight')?.shape).toEqual([4, 6]);
  });

  it.each([
    ['os-system.pth', /system, which is no part of a state dictionary; nothing was run/],
    ['os-system-legacy.pth', /system, which is no part of a state dictionary; nothing was run/],
    ['custom-class.pth', /pth\.Custom/],
    ['no-tensor.pth', /holds no tensor/],
    ['values.safetensors', /PyTorch file|pickle/],
  ])('refuses %s', (file, message) => {
    expect(() => readPytorchStateDict(read(file))).toThrow(CheckpointError);
    expect(() => readPytorchStateDict(read(file))).toThrow(message);
  });
});
