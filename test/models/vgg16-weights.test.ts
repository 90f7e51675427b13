import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../engine/index.ts';
import { classifierConfig, vgg16Features, vgg16Plan, vgg16State } from '../../models/index.ts';
import { readReferenceFile } from '../reference.ts';

type Weights = Map<string, { shape: number[]; data: Float32Array }>;

/** VGG16 at width 1/16 with torchvision's keys. */
function torchvision(): Weights {
  const weights: Weights = new Map();
  for (const [name, { shape, data }] of readReferenceFile('models/vgg16').tensors) {
    if (name.startsWith('initial.')) weights.set(name.slice(8), { shape: [...shape], data: Float32Array.from(data) });
  }
  return weights;
}

function timm(): Weights {
  const weights: Weights = new Map();
  for (const [name, { shape, data }] of torchvision()) {
    const renamed = name
      .replace('classifier.0.', 'pre_logits.fc1.')
      .replace('classifier.3.', 'pre_logits.fc2.')
      .replace('classifier.6.', 'head.fc.');
    const convolution =
      name === 'classifier.0.weight' ? [256, 32, 2, 2] : name === 'classifier.3.weight' ? [256, 256, 1, 1] : shape;
    weights.set(renamed, { shape: convolution, data });
  }
  return weights;
}

const config = classifierConfig('vgg16', { width: 1 / 16, classes: 10, imageSize: 64 });
const plan = vgg16Plan(config);

describe('VGG16 weights', () => {
  it('fit with the keys of torchvision and of timm alike', () => {
    const [ours, theirs] = [vgg16State(torchvision(), plan), vgg16State(timm(), plan)];
    expect([ours.naming, theirs.naming]).toEqual(['torchvision', 'timm']);
    expect(isDeepStrictEqual(theirs.state, ours.state)).toBe(true);
    expect(ours.state.get('classifier.0.weight')?.shape).toEqual([256, 128]);
    expect(ours.unused).toEqual([]);
  });

  it('give the features alone when the classifier is not needed', () => {
    const { state, unused } = vgg16State(timm(), vgg16Features('pool4', config));
    expect(state.size).toBe(20);
    expect(unused).toContain('head.fc.bias');
    expect(unused).toHaveLength(12);
  });

  it('from Caffe have their first convolution turned from blue-first to red-first', () => {
    const rgb = vgg16State(torchvision(), plan).state.get('features.0.weight')?.data ?? [];
    const bgr = vgg16State(torchvision(), plan, 'bgr').state.get('features.0.weight')?.data ?? [];
    expect([...bgr.slice(0, 9)]).toEqual([...rgb.slice(18, 27)]);
    expect([...bgr.slice(9, 18)]).toEqual([...rgb.slice(9, 18)]);
  });

  it('are refused with every fault at once', () => {
    const weights = torchvision();
    weights.delete('features.2.bias');
    weights.set('features.5.weight', { shape: [8, 4, 5, 5], data: new Float32Array(800) });
    weights.set('features.1.running_mean', { shape: [4], data: new Float32Array(4) });
    const load = () => vgg16State(weights, plan);
    expect(load).toThrow(CheckpointError);
    expect(load).toThrow(/features\.5\.weight is \[8, 4, 5, 5\], needed \[8, 4, 3, 3\]/);
    expect(load).toThrow(/missing: features\.2\.bias/);
    expect(load).toThrow(/unexpected: features\.1\.running_mean/);
  });

  it('with a NaN are refused', () => {
    const weights = torchvision();
    const weight = weights.get('features.7.weight');
    if (weight) weight.data[5] = Number.NaN;
    expect(() => vgg16State(weights, plan)).toThrow(/features\.7\.weight holds a value that is not finite/);
  });
});
