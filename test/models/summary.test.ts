import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../engine/index.ts';
import { createModel } from '../../models/classifier.ts';
import { classifierConfig, classifierPlan, extractorPlan } from '../../models/classifiers.ts';
import { summary } from '../../models/summary.ts';
import { vgg16Defaults, vgg16Features, vgg16Plan } from '../../models/vgg16.ts';

const of = (name: Parameters<typeof classifierConfig>[0], options = {}) =>
  summary(classifierPlan(name, classifierConfig(name, options)));

describe('summary', () => {
  it('gives the published sizes of VGG16', () => {
    expect(summary(vgg16Plan(vgg16Defaults)).parameters).toBe(138_357_544);
    expect(summary(vgg16Features('pool5', vgg16Defaults)).parameters).toBe(14_714_688);
    const pool4 = summary(vgg16Features('pool4', vgg16Defaults));
    expect(pool4.parameters).toBe(7_635_264);
    expect(pool4.layers.at(-1)).toMatchObject({ name: 'features.23', outputShape: [14, 14, 512] });
    expect(pool4.flops / 1e9).toBeCloseTo(27.9, 1);
  });

  it('gives the sizes of the trunk of Acharya et al.', () => {
    const { layers } = of('baseline');
    const convolutions = layers.filter((layer) => layer.kind === 'conv2d');
    expect(convolutions.map((layer) => layer.parameters)).toEqual([1728, 55_296, 110_592, 147_456, 294_912, 589_824]);
    expect(convolutions.reduce((sum, layer) => sum + layer.flops, 0) / 1e9).toBeCloseTo(0.89, 2);
    expect(convolutions.at(-1)?.outputShape).toEqual([12, 12, 256]);
    expect(layers.find((layer) => layer.kind === 'covarianceHead')?.outputShape).toEqual([4096]);
  });

  it('gives model-4 its 8.2 million FC weights and DLP its 73.7 million', () => {
    const fc1 = (name: Parameters<typeof of>[0]) =>
      of(name).layers.find((layer) => layer.name === 'classifier.fc1')?.parameters;
    expect(fc1('baseline')).toBe(4096 * 2000);
    expect(fc1('dlp')).toBe(36_864 * 2000 + 2000);
  });

  it('gives VFESO-DLSE an SE block of 33,312 parameters, a tail of 2.36 million weights and nine positions', () => {
    const config = classifierConfig('vfeso-dlse');
    const { layers, input } = summary(classifierPlan('vfeso-dlse', config));
    const extractor = extractorPlan('vfeso-dlse', config);
    expect(extractor && summary(extractor).layers.at(-1)?.outputShape).toEqual(input);
    expect(layers.find((layer) => layer.kind === 'seBlock')?.parameters).toBe(33_312);
    const convolutions = layers.filter((layer) => layer.kind === 'conv2d');
    expect(convolutions.reduce((sum, layer) => sum + layer.parameters, 0) / 1e6).toBeCloseTo(2.36, 2);
    expect(convolutions.reduce((sum, layer) => sum + layer.flops, 0) / 1e9).toBeCloseTo(0.53, 2);
    expect(convolutions.at(-1)?.outputShape).toEqual([3, 3, 256]);
  });

  it('places SE blocks where the option says', () => {
    const blocks = (sePosition: string) =>
      of('so-dlse', { sePosition })
        .layers.filter((layer) => layer.kind === 'seBlock')
        .map((layer) => `${layer.name} ${layer.outputShape.at(-1)}`);
    expect(blocks('before-covariance')).toEqual(['se 256']);
    expect(blocks('after-conv4')).toEqual(['se 128']);
    expect(blocks('after-every-conv')).toHaveLength(6);
    expect(blocks('none')).toEqual([]);
  });
});

describe('bad options', () => {
  it('names the models when there is none of that name', () => {
    // @ts-expect-error not one of the names
    expect(() => createModel('vgg19')).toThrow(/There is no model "vgg19"/);
  });

  it.each([
    [{ classes: 1 }, /classes is 1/],
    [{ imageSize: 10.5 }, /imageSize is 10.5/],
    [{ width: 0 }, /width is 0/],
    [{ width: Number.NaN }, /width/],
    [{ biMap: [] }, undefined],
    [{ biMap: [128.5] }, /biMap is \[128.5\]/],
    [{ biMap: [64, 128] }, /cannot map 64×64 up to 128×128/],
    [{ fc: [] }, /at least one size/],
    [{ sePosition: 'after-lunch' }, /one of none, before-covariance/],
    [{ imageSize: 6 }, /too small/],
    [{ imageSize: 8 }, /at least two positions/],
    [{ bimap: [128] }, /give only classes, imageSize/i],
  ])('%j', (options, message) => {
    const run = () => of('so-dlse', options as object);
    if (!message) expect(run().layers.find((layer) => layer.kind === 'covarianceHead')?.outputShape).toEqual([65_536]);
    else {
      expect(run).toThrow(ConfigError);
      expect(run).toThrow(message);
    }
  });
});
